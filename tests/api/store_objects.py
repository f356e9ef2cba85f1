"""Small objects for the store's tests."""

from __future__ import annotations

from typing import Any

Wire = dict[str, Any]


def config_map(name: str, namespace: str = "default", **data: str) -> Wire:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"key": "value"},
    }


def pod(name: str, namespace: str = "default", *, labels: dict[str, str] | None = None, node: str = "") -> Wire:
    metadata: Wire = {"name": name, "namespace": namespace}
    if labels:
        metadata["labels"] = labels
    spec: Wire = {
        "containers": [
            {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}}}
        ]
    }
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
