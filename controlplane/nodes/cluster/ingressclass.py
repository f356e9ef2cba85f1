"""Classes of Ingresses: who serves them."""

from __future__ import annotations

from schema.base import Wire
from schema.networking.ingress import ACME_ACCOUNT


def project(one: Wire) -> Wire | None:
    annotations = one["metadata"].get("annotations") or {}
    return {
        "metadata": {"annotations": {key: value for key, value in annotations.items() if key == ACME_ACCOUNT}},
        "spec": {"controller": (one.get("spec") or {}).get("controller", "")},
    }
