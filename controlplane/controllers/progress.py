"""What an update of a Deployment has come to: its status and conditions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controlplane.controllers.errors import Wait
from controlplane.controllers.plan import Condition, find
from controlplane.controllers.rollout import Bounds
from schema import meta
from schema.base import Wire

ENDLESS_SECONDS = 2**31 - 1
"""A progressDeadlineSeconds that means: none."""
COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"


@dataclass(frozen=True)
class Report:
    status: Wire
    conditions: Sequence[Condition]
    outcome: Wait | None = None


def report(deployment: Wire, new: Wire | None, all_: Sequence[Wire], limits: Bounds, now: datetime) -> Report:
    status = counts(new, all_)
    before = deployment.get("status") or {}
    if before.get("collisionCount"):
        status["collisionCount"] = before["collisionCount"]
    progressing, outcome = _progressing(deployment, new, all_, status, now)
    conditions = [_available(status, limits), *progressing, _failure(new, all_)]
    return Report(status, conditions, outcome)


def is_late(deployment: Wire, report: Report) -> bool:
    """Whether the deadline is missed, after this pass."""
    said = next((each for each in report.conditions if each.type == "Progressing"), None)
    return (said.reason if said is not None else find(deployment, "Progressing").get("reason")) == TIMED_OUT


def counts(new: Wire | None, all_: Sequence[Wire]) -> Wire:
    available = _sum(all_, "availableReplicas")
    return {
        "replicas": _sum(all_, "replicas"),
        "updatedReplicas": _sum([new] if new is not None else [], "replicas"),
        "readyReplicas": _sum(all_, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(int(each["spec"].get("replicas", 1)) for each in all_) - available),
        "terminatingReplicas": _sum(all_, "terminatingReplicas"),
    }


def _sum(replica_sets: Sequence[Wire], name: str) -> int:
    return sum(int((each.get("status") or {}).get(name) or 0) for each in replica_sets)


def is_complete(deployment: Wire, new: Wire | None, all_: Sequence[Wire]) -> bool:
    """All pods asked for are of the newest template and available, and no others are left."""
    wanted, status = int(deployment["spec"].get("replicas", 1)), counts(new, all_)
    if new is None or int(new["spec"].get("replicas", 1)) != wanted or not _is_seen(new):
        return False
    return {status[name] for name in ("updatedReplicas", "replicas", "availableReplicas")} == {wanted}


def _is_seen(wire: Wire) -> bool:
    observed = int((wire.get("status") or {}).get("observedGeneration") or 0)
    return observed >= int(wire["metadata"].get("generation") or 0)


def _available(status: Wire, limits: Bounds) -> Condition:
    if status["availableReplicas"] >= limits.least_available:
        return Condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    message = "Deployment does not have minimum availability."
    return Condition("Available", "False", "MinimumReplicasUnavailable", message)


def _failure(new: Wire | None, all_: Sequence[Wire]) -> Condition:
    """What keeps a ReplicaSet from making its pods, the newest one's first."""
    for each in [*([new] if new is not None else []), *all_]:
        found = find(each, "ReplicaFailure")
        if found.get("status") == "True":
            return Condition("ReplicaFailure", "True", found.get("reason", ""), found.get("message", ""))
    return Condition("ReplicaFailure", "")


def _progressing(
    deployment: Wire, new: Wire | None, all_: Sequence[Wire], status: Wire, now: datetime
) -> tuple[list[Condition], Wait | None]:
    """The condition, where it changes, and when the deadline has to be looked at."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if deadline is None or deadline >= ENDLESS_SECONDS:
        return [Condition("Progressing", "")], None
    held, stamp = find(deployment, "Progressing"), meta.format_time(now)
    if deployment["spec"].get("paused"):
        paused = Condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", stamp)
        return [] if held.get("reason") == paused.reason else [paused], None
    what = f'ReplicaSet "{(new or deployment)["metadata"]["name"]}"'
    if is_complete(deployment, new, all_):
        complete = Condition("Progressing", "True", COMPLETE, f"{what} has successfully progressed.", stamp)
        return [] if (held.get("reason"), held.get("message")) == (COMPLETE, complete.message) else [complete], None
    if (
        held.get("reason") == COMPLETE
        and not _is_another(held, what)
        and status["replicas"] == status["updatedReplicas"]
    ):
        return [], None  # complete once, and now some pods are missing: that is no update that could be late
    since = held.get("lastUpdateTime")
    if since is None or _is_another(held, what) or _has_progressed(deployment, status):
        goes_on = Condition("Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.", stamp)
        return [goes_on], Wait(deadline, goes_on.message)
    if held.get("reason") == TIMED_OUT:
        return [], None
    left = (meta.parse_time(since) + timedelta(seconds=deadline) - now).total_seconds()
    if left > 0:
        return [], Wait(left, f"{what} is progressing.")
    return [Condition("Progressing", "False", TIMED_OUT, f"{what} has timed out progressing.", stamp)], None


def _is_another(held: Wire, what: str) -> bool:
    """The condition speaks of another ReplicaSet: an update has begun since."""
    return not str(held.get("message", "")).startswith(what)


def _has_progressed(deployment: Wire, status: Wire) -> bool:
    """More of the new, less of the old, more that is ready or available, than last time."""
    before = deployment.get("status") or {}
    old_before = int(before.get("replicas") or 0) - int(before.get("updatedReplicas") or 0)
    old_now = status["replicas"] - status["updatedReplicas"]
    more = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_now < old_before or any(status[name] > int(before.get(name) or 0) for name in more)
