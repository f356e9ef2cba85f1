"""Nodes and pods for tests of the scheduler and the controllers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from controlplane.store import objects
from schema import kinds, meta

Wire = dict[str, Any]


def node(
    name: str = "node-a",
    *,
    cpu: str = "2",
    memory: str = "4Gi",
    pods: str = "110",
    ready: str = "True",
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Wire:
    """Created in the store."""
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, "ephemeral-storage": "10Gi"}
    return objects.create(
        kinds.NODE,
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels or {}},
            "spec": spec,
            "status": {
                "allocatable": allocatable,
                "capacity": allocatable,
                "conditions": [{"type": "Ready", "status": ready, "reason": "AgentReady"}],
            },
        },
    )


def pod(
    name: str,
    *,
    namespace: str = "default",
    requests: dict[str, str] | None = None,
    metadata: Wire | None = None,
    status: Wire | None = None,
    ports: list[Wire] | None = None,
    **spec: Any,
) -> Wire:
    """Created in the store."""
    container = {"name": "main", "image": "busybox", "resources": {"requests": requests or {}}, "ports": ports or []}
    return objects.create(
        kinds.POD,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, **(metadata or {})},
            "spec": {"containers": [container], **spec},
            "status": status or {},
        },
    )


def running(*, ready: str = "True") -> Wire:
    conditions = [{"type": kind, "status": ready} for kind in ("ContainersReady", "Ready")]
    return {"phase": "Running", "conditions": conditions}


def lease(name: str = "node-a", *, age_seconds: float = 0.0, process: str = "") -> Wire:
    """Created in the store, last renewed so long ago, by a web process."""
    held = {"annotations": {"slipway.dev/process": process}} if process else {}
    renewed = meta.format_micro_time(meta.now() - timedelta(seconds=age_seconds))
    return objects.create(
        kinds.LEASE,
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease", **held},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed},
        },
    )


def config_map(name: str, namespace: str = "default", **metadata: Any) -> Wire:
    return objects.create(
        kinds.CONFIG_MAP,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, **metadata}},
    )


def namespace(name: str) -> Wire:
    return objects.create(kinds.NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def owned_by(owner: Wire, *, block: bool = False, controller: bool = False) -> Wire:
    """An ownerReference."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **({"blockOwnerDeletion": True} if block else {}),
        **({"controller": True} if controller else {}),
    }


def condition(wire: Wire, type_: str) -> Wire:
    return next((each for each in wire["status"].get("conditions") or () if each["type"] == type_), {})


def event_reasons(name: str, namespace: str = "default") -> list[tuple[str, str, int]]:
    """Reason, message and count of the events about an object."""
    found = objects.list_objects(kinds.EVENT, namespace=namespace).items
    return [(e["reason"], e["message"], e["count"]) for e in found if e["involvedObject"]["name"] == name]
