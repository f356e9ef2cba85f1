"""Whether the pods of a lost node may be given up: Kubernetes' zone states. Pure.

One node that is silent is lost. If most of a zone is, or everything, it is likelier that the control plane is cut off, and
to start everything anew elsewhere would do the damage that the partition has not done. A zone is what the labels
``topology.kubernetes.io/region`` and ``zone`` say; nodes without them are one zone.

| state | when | nodes that begin to be emptied |
|---|---|---|
| normal | else | `NODE_EVICTIONS_PER_SECOND` (one in ten seconds) |
| partial | more than two, and at least 55 %, are not ready | a tenth of that in zones of more than 50 nodes, else none |
| full | no node of the zone is ready | as normal, while some other zone has ready nodes |
| all full | no node of the cluster is ready | none, and what had begun is taken back |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from schema import meta
from schema.base import Wire

ZONE_LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")
UNHEALTHY_SHARE = 0.55
LARGE_ZONE = 50
SECONDARY = 0.1
LOOK_AGAIN_SECONDS = 10.0


class State(StrEnum):
    NORMAL = "normal"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True)
class Member:
    """A node as the decision needs it."""

    name: str
    zone: str
    ready: bool
    emptied_since: datetime | None = None
    """When its NoExecute taint began."""


@dataclass(frozen=True)
class Verdict:
    """``evict``: its pods may be given up now. ``retract``: and where that had begun, it is taken back. ``again_after``:
    seconds until it is worth asking again."""

    evict: bool
    retract: bool = False
    again_after: float | None = None
    why: str = ""


def zone_of(node: Wire) -> str:
    labels = node["metadata"].get("labels") or {}
    return "/".join(labels[name] for name in ZONE_LABELS if labels.get(name))


def member(node: Wire, *, ready: bool, taints: Sequence[str]) -> Member:
    """``taints``: the keys of those that lost nodes get."""
    added = [
        meta.parse_time(each["timeAdded"])
        for each in (node.get("spec") or {}).get("taints") or ()
        if each["key"] in taints and each["effect"] == "NoExecute" and each.get("timeAdded")
    ]
    return Member(node["metadata"]["name"], zone_of(node), ready, max(added, default=None))


def state_of(members: Iterable[Member]) -> State:
    states = [each.ready for each in members]
    lost = states.count(False)
    if states and lost == len(states):
        return State.FULL
    if lost > 2 and lost / len(states) >= UNHEALTHY_SHARE:
        return State.PARTIAL
    return State.NORMAL


def judge(name: str, members: Sequence[Member], now: datetime, per_second: float) -> Verdict:
    """May the node ``name``, which is not ready, be emptied now?"""
    if state_of(members) is State.FULL:
        why = "no node of the cluster answers: the control plane may be what is cut off"
        return Verdict(False, retract=True, again_after=LOOK_AGAIN_SECONDS, why=why)
    zone = next(each.zone for each in members if each.name == name)
    peers = [each for each in members if each.zone == zone]
    rate = _rate(peers, per_second)
    if rate <= 0:
        lost = sum(not each.ready for each in peers)
        where = f"zone {zone}" if zone else "the cluster"
        why = f"{lost} of {len(peers)} nodes of {where} do not answer: the control plane may be what is cut off"
        return Verdict(False, again_after=LOOK_AGAIN_SECONDS, why=why)
    latest = max((each.emptied_since for each in peers if each.name != name and each.emptied_since), default=None)
    due = now if latest is None else latest + timedelta(seconds=1 / rate)
    if due > now:
        wait = (due - now).total_seconds()
        return Verdict(False, again_after=wait, why="another node of its zone has just begun to be emptied")
    return Verdict(True)


def _rate(peers: Sequence[Member], per_second: float) -> float:
    if state_of(peers) is not State.PARTIAL:
        return per_second
    return per_second * SECONDARY if len(peers) > LARGE_ZONE else 0.0
