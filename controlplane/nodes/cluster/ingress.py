"""Ingresses: which requests from outside lead to which services."""

from __future__ import annotations

from controlplane.nodes.cluster.node import PUBLISHED
from schema.base import Wire


def project(ingress: Wire) -> Wire | None:
    metadata = ingress["metadata"]
    annotations = metadata.get("annotations") or {}
    return {
        "metadata": {
            "creationTimestamp": metadata["creationTimestamp"],
            "annotations": {key: value for key, value in annotations.items() if key.startswith(PUBLISHED)},
        },
        "spec": ingress.get("spec") or {},
    }
