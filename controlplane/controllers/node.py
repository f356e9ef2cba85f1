"""Nodes that have gone silent: not Ready, tainted, their pods not ready; and all of it undone when they speak again.

The web process that had a node's session says so first (`nodes.liveness`); the lease tells when that process died too. A
node that reports Ready=False is tainted likewise. Pods of an unreachable node that are being deleted stay: only their
agent can say that their containers have ended.

Reads nodes, leases and pods. Writes: a node's Ready condition (only to Unknown; the rest is its agent's), the taints
``node.kubernetes.io/unreachable`` and ``not-ready``, the Ready condition of its pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Plan, Step, find
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Patch, Write
from schema import kinds, meta
from schema.base import Wire

LEASES = "kube-node-lease"
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
COMPONENT = "node-controller"
DEFAULT_LEASE_SECONDS = 40
_OURS = (UNREACHABLE, NOT_READY)
_EFFECTS = ("NoSchedule", "NoExecute")
_POD_REASON = "NodeNotReady"


@dataclass(frozen=True)
class Surroundings:
    lease: Wire | None
    pods: Sequence[Wire] = ()
    """Of the node, where its readiness may concern them."""


class NodeController(Controller[Surroundings]):
    name = "node"
    kind = kinds.NODE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NODE and change.type is not ChangeType.DELETED:
            yield "", change.name

    def all_keys(self) -> Iterable[Key]:
        """Those that are not simply well: thousands are."""
        leases = {one["metadata"]["name"]: one for one in objects.list_objects(kinds.LEASE, namespace=LEASES).items}
        now = meta.now()
        for node in objects.list_objects(kinds.NODE).items:
            name = node["metadata"]["name"]
            if readiness(node, leases.get(name), now) != "True" or _tainted_by_us(node):
                yield "", name

    def gather(self, obj: Wire) -> Surroundings:
        lease = _lease(obj["metadata"]["name"])
        concerned = readiness(obj, lease, meta.now()) != "True" or _tainted_by_us(obj)
        return Surroundings(lease, objects.pods_on(obj["metadata"]["name"]) if concerned else ())

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        ready = readiness(obj, children.lease, now)
        moment = meta.format_time(now)
        # Pods first: the taint says that all before it is done, so a pass that was cut short is taken up again.
        steps = [_silence(obj, ready, moment), _pods(children.pods, ready, moment), _taint(obj, ready, moment)]
        return Plan([step for step in steps if step])


# Decisions


def expired(lease: Wire | None, now: datetime) -> bool:
    """No lease is no news: a node that registers makes its lease at once."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("renewTime"):
        return False
    seconds = spec.get("leaseDurationSeconds") or DEFAULT_LEASE_SECONDS
    return meta.parse_time(spec["renewTime"]) + timedelta(seconds=seconds) < now


def readiness(node: Wire, lease: Wire | None, now: datetime) -> str:
    """True, False or Unknown: what the node says, if it still says anything."""
    return "Unknown" if expired(lease, now) else str(find(node, "Ready").get("status", "Unknown"))


def silent(node: Wire, now: str) -> Wire | None:
    """The node with all that its agent reports Unknown; None if it is so already."""
    status = node.get("status") or {}
    conditions = status.get("conditions") or [{"type": "Ready"}]
    if all(each.get("status") == "Unknown" for each in conditions):
        return None
    unknown = {"status": "Unknown", "reason": "NodeStatusUnknown", "message": "The agent has stopped reporting."}
    changed = [
        each if each.get("status") == "Unknown" else {**each, **unknown, "lastTransitionTime": now}
        for each in conditions
    ]
    return {**node, "status": {**status, "conditions": changed}}


def taints_for(node: Wire, ready: str, now: str) -> list[Wire]:
    """The taints as the node's readiness wants them; those of others stay, and ours keep the time they began."""
    wanted = {"True": None, "False": NOT_READY}.get(ready, UNREACHABLE)
    kept = [each for each in _taints(node) if each["key"] not in _OURS or each["key"] == wanted]
    have = {(each["key"], each["effect"]) for each in kept}
    new: list[dict[str, Any]] = [
        {"key": wanted, "effect": effect, **({"timeAdded": now} if effect == "NoExecute" else {})}
        for effect in _EFFECTS
        if wanted is not None and (wanted, effect) not in have
    ]
    return [*kept, *new]


def pod_as(pod: Wire, ready: str, now: str) -> Wire | None:
    """The pod as its node's readiness wants its Ready condition; None if it is so already."""
    status = pod.get("status") or {}
    held = find(pod, "Ready")
    if ready == "True":
        if held.get("reason") != _POD_REASON:
            return None
        # What the agent had said of the containers still holds, or it will say otherwise.
        told = {"status": find(pod, "ContainersReady").get("status", "False")}
    elif held.get("status") == "True":
        told = {"status": "False", "reason": _POD_REASON, "message": "the node has stopped reporting or is not ready"}
    else:
        return None
    kept = {name: value for name, value in held.items() if name not in ("reason", "message")}
    changed = {**kept, **told, "lastTransitionTime": now}
    conditions = [changed if each.get("type") == "Ready" else each for each in status.get("conditions") or ()]
    return {**pod, "status": {**status, "conditions": conditions}}


def _silence(node: Wire, ready: str, now: str) -> Step | None:
    if ready != "Unknown" or silent(node, now) is None:
        return None
    metadata = node["metadata"]
    change = partial(silent, now=now)
    return Step("silence", [Patch(kinds.NODE, "", metadata["name"], change, "status", metadata["uid"])])


def _pods(pods: Sequence[Wire], ready: str, now: str) -> Step | None:
    writes: list[Write] = []
    for pod in pods:
        if pod_as(pod, ready, now) is not None:
            metadata, change = pod["metadata"], partial(pod_as, ready=ready, now=now)
            writes.append(Patch(kinds.POD, metadata["namespace"], metadata["name"], change, "status", metadata["uid"]))
    return Step("pods", writes) if writes else None


def _taint(node: Wire, ready: str, now: str) -> Step | None:
    if taints_for(node, ready, now) == _taints(node):
        return None
    metadata = node["metadata"]
    name = metadata["name"]
    if ready == "True":
        record = Record(node, "Normal", "NodeReady", f"Node {name} is ready", COMPONENT)
    else:
        why = find(node, "Ready").get("message") or "it has stopped reporting"
        record = Record(node, "Warning", "NodeNotReady", f"Node {name} is not ready: {why}", COMPONENT)
    change = partial(_tainted, ready=ready, now=now)
    return Step("taint", [Patch(kinds.NODE, "", name, change, uid=metadata["uid"])], [record])


def _tainted(node: Wire, ready: str, now: str) -> Wire | None:
    wanted = taints_for(node, ready, now)
    return None if wanted == _taints(node) else {**node, "spec": {**(node.get("spec") or {}), "taints": wanted}}


def _taints(node: Wire) -> list[Wire]:
    return (node.get("spec") or {}).get("taints") or []


def _tainted_by_us(node: Wire) -> bool:
    return any(each["key"] in _OURS for each in _taints(node))


# The edge


def _lease(node: str) -> Wire | None:
    try:
        return objects.get(kinds.LEASE, LEASES, node)
    except NotFound:
        return None


def expired_nodes() -> list[tuple[str, str]]:
    """Nodes whose lease has run out, each with the time of its last renewal. One query, for the tick."""
    now = meta.now()
    leases = objects.list_objects(kinds.LEASE, namespace=LEASES).items
    return [(one["metadata"]["name"], one["spec"]["renewTime"]) for one in leases if expired(one, now)]
