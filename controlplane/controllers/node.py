"""Nodes that have gone silent: not Ready, tainted, their pods not ready; and all of it undone when they speak again.

The web process that had a node's session says so first (`nodes.liveness`); when that process died too, its own silence
(`store.processes`) or the lease tells. A node that reports Ready=False is tainted likewise. NoSchedule follows at once;
NoExecute, which has the node's pods replaced (`tainteviction`), only as `zones` allows. Pods of an unreachable node that
are being deleted stay: only their agent can say that their containers have ended.

Reads nodes, leases, web processes and pods. Writes: a node's Ready condition (only to Unknown; the rest is its agent's),
the taints ``node.kubernetes.io/unreachable`` and ``not-ready``, the timeAdded of NoExecute taints that have none, the
Ready condition of its pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings

from controlplane.controllers import zones
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Plan, Step, find
from controlplane.store import objects, processes
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Patch, Write
from controlplane.store.processes import Renewals
from schema import kinds, meta
from schema.base import Wire

LEASES = "kube-node-lease"
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
COMPONENT = "node-controller"
DEFAULT_LEASE_SECONDS = 40
HOLDER_SECONDS = 0.7 * settings.NODE_LOST_SECONDS
"""A web process says five times in `NODE_LOST_SECONDS` that it lives, and as often somebody looks."""
_OURS = (UNREACHABLE, NOT_READY)
_EFFECTS = ("NoSchedule", "NoExecute")
_POD_REASON = "NodeNotReady"


@dataclass(frozen=True)
class Surroundings:
    lease: Wire | None
    pods: Sequence[Wire] = ()
    """Of the node, where its readiness may concern them."""
    renewals: Renewals = field(default_factory=dict)
    members: Sequence[zones.Member] = ()
    """All nodes of the cluster, where this one is not ready."""


class NodeController(Controller[Surroundings]):
    name = "node"
    kind = kinds.NODE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NODE and change.type is not ChangeType.DELETED:
            yield "", change.name

    def all_keys(self) -> Iterable[Key]:
        """Those that are not simply well: thousands are."""
        leases, renewals = _leases(), processes.renewals()
        now = meta.now()
        for node in objects.list_objects(kinds.NODE).items:
            name = node["metadata"]["name"]
            if readiness(node, leases.get(name), now, renewals) != "True" or _tainted_by_us(node):
                yield "", name

    def gather(self, obj: Wire) -> Surroundings:
        name, now = obj["metadata"]["name"], meta.now()
        lease, renewals = _lease(name), processes.renewals()
        ready = readiness(obj, lease, now, renewals)
        concerned = ready != "True" or _tainted_by_us(obj)
        pods = objects.pods_on(name) if concerned else ()
        return Surroundings(lease, pods, renewals, _members(renewals, now) if ready != "True" else ())

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        ready = readiness(obj, children.lease, now, children.renewals)
        moment = meta.format_time(now)
        verdict = _verdict_on(obj, ready, children.members, now)
        # Pods first: the taint says that all before it is done, so a pass that was cut short is taken up again.
        steps = [_silence(obj, ready, moment), _pods(children.pods, ready, moment), _taint(obj, ready, moment, verdict)]
        wait = None if verdict.again_after is None else Wait(verdict.again_after, verdict.why)
        return Plan([step for step in steps if step], outcome=wait)


# Decisions


def expired(lease: Wire | None, now: datetime, renewals: Renewals) -> bool:
    """Nobody has heard of the node for too long: its lease is over, or the process that holds its session has fallen
    silent. No lease is no news: a node that registers makes its lease at once."""
    if lease is None or not (spec := lease.get("spec") or {}).get("renewTime"):
        return False
    renewed = meta.parse_time(spec["renewTime"])
    seconds = spec.get("leaseDurationSeconds") or DEFAULT_LEASE_SECONDS
    if renewed + timedelta(seconds=seconds) < now:
        return True
    holder = (lease["metadata"].get("annotations") or {}).get(processes.PROCESS)
    if holder is None:
        return False
    heard = max(renewals.get(holder, 0.0), renewed.timestamp())
    return heard + HOLDER_SECONDS < now.timestamp()


def readiness(node: Wire, lease: Wire | None, now: datetime, renewals: Renewals) -> str:
    """True, False or Unknown: what the node says, if it still says anything."""
    return "Unknown" if expired(lease, now, renewals) else str(find(node, "Ready").get("status", "Unknown"))


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


def taints_for(node: Wire, ready: str, now: str, verdict: zones.Verdict) -> list[Wire]:
    """The taints as the node's readiness wants them; those of others stay, and all keep the time they began."""
    wanted = {"True": None, "False": NOT_READY}.get(ready, UNREACHABLE)
    kept = [each for each in _taints(node) if _stays(each, wanted, verdict)]
    have = {(each["key"], each["effect"]) for each in kept}
    effects = _EFFECTS if verdict.evict or (_is_emptied(node) and not verdict.retract) else _EFFECTS[:1]
    new = [{"key": wanted, "effect": effect} for effect in effects if wanted and (wanted, effect) not in have]
    return [_dated(each, now) for each in [*kept, *new]]


def _stays(taint: Wire, wanted: str | None, verdict: zones.Verdict) -> bool:
    if taint["key"] not in _OURS:
        return True
    return taint["key"] == wanted and not (verdict.retract and taint["effect"] == "NoExecute")


def _is_emptied(node: Wire) -> bool:
    """It has been given up once: if what is said of it changes (not ready, then unreachable) it stays so."""
    return any(each["key"] in _OURS and each["effect"] == "NoExecute" for each in _taints(node))


def _dated(taint: Wire, now: str) -> Wire:
    """NoExecute counts from a time, whoever set it."""
    return taint if taint["effect"] != "NoExecute" or taint.get("timeAdded") else {**taint, "timeAdded": now}


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


def _verdict_on(node: Wire, ready: str, members: Sequence[zones.Member], now: datetime) -> zones.Verdict:
    if ready == "True":
        return zones.Verdict(False)
    verdict = zones.judge(node["metadata"]["name"], members, now, settings.NODE_EVICTIONS_PER_SECOND)
    if _is_emptied(node) and not verdict.retract:
        # Looked at again, for the others may be lost too before its pods' time has come.
        return zones.Verdict(True, again_after=zones.LOOK_AGAIN_SECONDS, why="its pods are being replaced")
    return verdict


def _taint(node: Wire, ready: str, now: str, verdict: zones.Verdict) -> Step | None:
    wanted = taints_for(node, ready, now, verdict)
    if wanted == _taints(node):
        return None
    metadata = node["metadata"]
    change = partial(_tainted, ready=ready, now=now, verdict=verdict)
    return Step(
        "taint", [Patch(kinds.NODE, "", metadata["name"], change, uid=metadata["uid"])], _told(node, ready, verdict)
    )


def _told(node: Wire, ready: str, verdict: zones.Verdict) -> list[Record]:
    name = node["metadata"]["name"]
    if ready == "True":
        if not _tainted_by_us(node):
            return []
        return [Record(node, "Normal", "NodeReady", f"Node {name} is ready", COMPONENT)]
    told = []
    if not _tainted_by_us(node):
        why = find(node, "Ready").get("message") or "it has stopped reporting"
        told.append(Record(node, "Warning", "NodeNotReady", f"Node {name} is not ready: {why}", COMPONENT))
    if verdict.evict and not _is_emptied(node):
        message = f"The pods of node {name} are replaced as their tolerations run out"
        told.append(Record(node, "Warning", "NodeEmptied", message, COMPONENT))
    elif not verdict.evict:
        told.append(
            Record(node, "Warning", "EvictionHeldBack", f"The pods of node {name} stay: {verdict.why}", COMPONENT)
        )
    return told


def _tainted(node: Wire, ready: str, now: str, verdict: zones.Verdict) -> Wire | None:
    wanted = taints_for(node, ready, now, verdict)
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


def _leases() -> dict[str, Wire]:
    return {one["metadata"]["name"]: one for one in objects.list_objects(kinds.LEASE, namespace=LEASES).items}


def _members(renewals: Renewals, now: datetime) -> Sequence[zones.Member]:
    """All nodes. In the worst hour there are as many passes as nodes: they share what one has read."""
    global _survey
    key = (objects.current_revision(), int(now.timestamp()))
    if _survey is None or _survey[0] != key:
        _survey = (key, _read_members(renewals, now))
    return _survey[1]


_survey: tuple[tuple[int, int], Sequence[zones.Member]] | None = None


def _read_members(renewals: Renewals, now: datetime) -> list[zones.Member]:
    leases = _leases()
    return [
        zones.member(
            node,
            ready=readiness(node, leases.get(node["metadata"]["name"]), now, renewals) == "True",
            taints=_OURS,
        )
        for node in objects.list_objects(kinds.NODE).items
    ]


def expired_nodes() -> list[tuple[str, str]]:
    """Nodes that nobody has heard of for too long, each with the time of its last renewal. Two queries, for the tick."""
    now, renewals = meta.now(), processes.renewals()
    return [(name, one["spec"]["renewTime"]) for name, one in _leases().items() if expired(one, now, renewals)]
