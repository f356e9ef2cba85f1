"""Nodes that have gone silent: not Ready, tainted, their pods not ready; and all of it undone when they speak again.

The web process that had a node's session says so first (`nodes.liveness`); the lease tells when that process died too.

Reads nodes, leases and pods. Writes: a node's Ready condition (only to Unknown; True is the agent's), the taint
``node.kubernetes.io/unreachable``, the Ready condition of its pods.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from controlplane.controllers import events
from controlplane.controllers.events import Record
from controlplane.store import objects
from controlplane.store.objects import Patch
from schema import kinds, meta
from schema.base import Wire

LEASES = "kube-node-lease"
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
_OURS = (UNREACHABLE, NOT_READY)
_EFFECTS = ("NoSchedule", "NoExecute")


def expired(lease: Wire | None, now: datetime) -> bool:
    """No lease is no news: a node that registers makes its lease within seconds."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("renewTime"):
        return False
    return meta.parse_time(spec["renewTime"]) + timedelta(seconds=spec.get("leaseDurationSeconds", 40)) < now


def readiness(node: Wire) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return next((str(each["status"]) for each in conditions if each["type"] == "Ready"), "Unknown")


def silent(node: Wire, now: str) -> Wire:
    """The node with its Ready condition Unknown."""
    status = node.get("status") or {}
    conditions = [
        {
            **condition,
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": "The agent has stopped reporting.",
            "lastTransitionTime": now,
        }
        if condition["type"] == "Ready"
        else condition
        for condition in status.get("conditions") or ()
    ]
    return {**node, "status": {**status, "conditions": conditions}}


def taints_for(node: Wire, now: str) -> list[Wire]:
    """The node's taints as its readiness wants them; those of others stay, and ours keep the time they began."""
    present = (node.get("spec") or {}).get("taints") or []
    wanted = {"True": None, "False": NOT_READY}.get(readiness(node), UNREACHABLE)
    kept = [taint for taint in present if taint["key"] not in _OURS or taint["key"] == wanted]
    have = {(taint["key"], taint["effect"]) for taint in kept}
    new: list[dict[str, Any]] = [
        {"key": wanted, "effect": effect, **({"timeAdded": now} if effect == "NoExecute" else {})}
        for effect in _EFFECTS
        if wanted is not None and (wanted, effect) not in have
    ]
    return [*kept, *new]


def pod_unready(pod: Wire, now: str) -> Wire | None:
    """The pod with its Ready condition False; None if it is already."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    if not any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
        return None
    changed = [
        {**each, "status": "False", "reason": "NodeNotReady", "message": "", "lastTransitionTime": now}
        if each["type"] == "Ready"
        else each
        for each in conditions
    ]
    return {**pod, "status": {**status, "conditions": changed}}


def check() -> None:
    """One pass over all nodes."""
    now = meta.now()
    leases = {lease["metadata"]["name"]: lease for lease in objects.list_objects(kinds.LEASE, namespace=LEASES).items}
    for node in objects.list_objects(kinds.NODE).items:
        name = node["metadata"]["name"]
        if readiness(node) == "True" and expired(leases.get(name), now):
            node = _mark_silent(node, meta.format_time(now))
        _settle(node, meta.format_time(now))


def _mark_silent(node: Wire, now: str) -> Wire:
    def change(stored: Wire) -> Wire | None:
        return silent(stored, now) if readiness(stored) == "True" else None

    return objects.mutate(kinds.NODE, "", node["metadata"]["name"], change, subresource="status")


def _settle(node: Wire, now: str) -> None:
    """Taints and pods follow the node's readiness."""
    name = node["metadata"]["name"]
    before = (node.get("spec") or {}).get("taints") or []
    if taints_for(node, now) != before:
        objects.mutate(kinds.NODE, "", name, lambda stored: _tainted(stored, now))
        ready = readiness(node)
        severity, reason = ("Normal", "NodeReady") if ready == "True" else ("Warning", "NodeNotReady")
        told = f"Node {name} is ready again" if ready == "True" else f"Node {name} is not ready (Ready is {ready})"
        events.record_many([Record(node, severity, reason, told, "node-liveness")])
    if readiness(node) != "True":
        _mark_pods(name, now)


def _tainted(node: Wire, now: str) -> Wire | None:
    spec = node.get("spec") or {}
    wanted = taints_for(node, now)
    return None if wanted == (spec.get("taints") or []) else {**node, "spec": {**spec, "taints": wanted}}


def _mark_pods(node: str, now: str) -> None:
    writes = []
    for pod in objects.pods_on(node):
        if pod_unready(pod, now) is not None:
            metadata = pod["metadata"]
            change = lambda stored: pod_unready(stored, now)  # noqa: E731 - one line, used once
            key = (metadata["namespace"], metadata["name"])
            writes.append(Patch(kinds.POD, *key, change, subresource="status", uid=metadata["uid"]))
    objects.write_many(writes)
