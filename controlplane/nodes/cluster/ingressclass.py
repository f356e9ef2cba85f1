"""Classes of Ingresses: who serves them."""

from __future__ import annotations

from schema.base import Wire


def project(one: Wire) -> Wire | None:
    return {"spec": {"controller": (one.get("spec") or {}).get("controller", "")}}
