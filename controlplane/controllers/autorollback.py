"""Deployments that go back by themselves (annotation ``slipway.dev/auto-rollback: "true"``). Pure.

A ReplicaSet whose update was once complete is marked as proven, with the time. A newest one that is not proven, and misses
its progress deadline or crash-loops, gives way to the last proven one: the Deployment's template becomes the proven one's,
as ``kubectl rollout undo`` would write it. Pods without a readiness probe are ready for a moment before they crash, so
for a while a proven one may still be left for a crash loop; what was left is not proven any more. So each is left once at
most, and it cannot go round in circles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from controlplane.controllers import pods
from schema import meta
from schema.base import Wire

ASKED = "slipway.dev/auto-rollback"
PROVEN = "slipway.dev/proven"
SAID = "slipway.dev/rolled-back"
"""On the Deployment: the ReplicaSet it went back to, and a sentence why."""
CONDITION = "RolledBack"
PROBATION = timedelta(minutes=2)
"""For so long after its update was complete a crash loop counts as the fault of the revision."""
FAILED = "false"
CRASHES = 3
"""Restarts from which a container that is backing off crash-loops: a first crash may be a dependency that is late."""


@dataclass(frozen=True)
class Return:
    left: Wire
    """The ReplicaSet that failed."""
    target: Wire
    """The ReplicaSet to go back to."""
    reason: str
    message: str


def is_asked(deployment: Wire) -> bool:
    return _annotation(deployment, ASKED) == "true"


def is_proven(replica_set: Wire) -> bool:
    return _annotation(replica_set, PROVEN) not in ("", FAILED)


def needs_pods(deployment: Wire, new: Wire | None, now: datetime) -> bool:
    """Whether the pods of the newest ReplicaSet matter."""
    return new is not None and is_asked(deployment) and (not is_proven(new) or _on_probation(new, now))


def _on_probation(replica_set: Wire, now: datetime) -> bool:
    try:
        return now - meta.parse_time(_annotation(replica_set, PROVEN)) < PROBATION
    except ValueError:
        return False


def proof(replica_set: Wire, *, complete: bool, now: datetime) -> str:
    """What its annotation should say."""
    held = _annotation(replica_set, PROVEN)
    return meta.format_time(now) if complete and not is_proven(replica_set) else held


def failed(replica_set: Wire) -> Wire | None:
    """The ReplicaSet that was left, no longer one to go back to."""
    if _annotation(replica_set, PROVEN) == FAILED:
        return None
    metadata = replica_set["metadata"]
    annotations = {**(metadata.get("annotations") or {}), PROVEN: FAILED}
    return {**replica_set, "metadata": {**metadata, "annotations": annotations}}


def decide(
    deployment: Wire,
    new: Wire | None,
    old: Sequence[Wire],
    members: Iterable[Wire],
    *,
    late: bool,
    now: datetime,
    revision: Callable[[Wire], int],
) -> Return | None:
    """``members`` are the pods of the newest; ``late``: it has missed its deadline."""
    if new is None or not needs_pods(deployment, new, now) or deployment["spec"].get("paused"):
        return None
    proven = [each for each in old if is_proven(each) and "deletionTimestamp" not in each["metadata"]]
    crash = next(filter(None, map(crash_of, members)), "")
    late = late and not is_proven(new)
    if not proven or not (late or crash):
        return None
    target = max(proven, key=revision)
    why = crash or "it has missed its progress deadline"
    message = f"revision {revision(new)} failed ({why}): went back to revision {revision(target)}"
    return Return(new, target, "CrashLoop" if crash else "ProgressDeadlineExceeded", message)


def crash_of(pod: Wire) -> str:
    """A sentence about a container of the pod that crash-loops; empty if none does."""
    if pods.is_leaving(pod):
        return ""
    status = pod.get("status") or {}
    for each in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = ((each.get("state") or {}).get("waiting") or {}).get("reason")
        if waiting == "CrashLoopBackOff" and int(each.get("restartCount") or 0) >= CRASHES:
            ended = (each.get("lastState") or {}).get("terminated") or {}
            code = f", last with exit code {ended['exitCode']}" if "exitCode" in ended else ""
            return f"container {each.get('name')} of pod {pod['metadata']['name']} keeps crashing{code}"
    return ""


def told(deployment: Wire, new: Wire | None) -> str:
    """Why the Deployment is at its template, if it went back to it; empty once it moved on."""
    name, _, message = _annotation(deployment, SAID).partition(" ")
    return message if new is not None and name == new["metadata"]["name"] else ""


def went_back(wire: Wire, *, seen: Wire, template: Wire, said: str) -> Wire | None:
    """The Deployment with the proven template; None if somebody has asked for another one meanwhile."""
    if wire["spec"]["template"] != seen:
        return None
    metadata = wire["metadata"]
    annotations = {**(metadata.get("annotations") or {}), SAID: said}
    return {
        **wire,
        "metadata": {**metadata, "annotations": annotations},
        "spec": {**wire["spec"], "template": template},
    }


def _annotation(wire: Wire, name: str) -> str:
    return str((wire["metadata"].get("annotations") or {}).get(name, ""))
