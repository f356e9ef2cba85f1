"""Deployments that go back by themselves (annotation ``slipway.dev/auto-rollback: "true"``). Pure.

A ReplicaSet whose update was once complete is marked as proven. A newest one that is not proven, and misses its progress
deadline or crash-loops, gives way to the last proven one: the Deployment's template becomes the proven one's, as ``kubectl
rollout undo`` would write it. What is proven is never left, so this happens once for each template that somebody asks for,
and cannot go round in circles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from controlplane.controllers import pods
from schema.base import Wire

ASKED = "slipway.dev/auto-rollback"
PROVEN = "slipway.dev/proven"
SAID = "slipway.dev/rolled-back"
"""On the Deployment: the ReplicaSet it went back to, and a sentence why."""
CONDITION = "RolledBack"
CRASHES = 3
"""Restarts from which a container that is backing off crash-loops: a first crash may be a dependency that is late."""


@dataclass(frozen=True)
class Return:
    target: Wire
    """The ReplicaSet to go back to."""
    reason: str
    message: str


def is_asked(deployment: Wire) -> bool:
    return _annotation(deployment, ASKED) == "true"


def is_proven(replica_set: Wire) -> bool:
    return _annotation(replica_set, PROVEN) == "true"


def needs_pods(deployment: Wire, new: Wire | None) -> bool:
    """Whether the pods of the newest ReplicaSet matter."""
    return new is not None and is_asked(deployment) and not is_proven(new)


def decide(
    deployment: Wire,
    new: Wire | None,
    old: Sequence[Wire],
    members: Iterable[Wire],
    *,
    late: bool,
    revision: Callable[[Wire], int],
) -> Return | None:
    """``members`` are the pods of the newest; ``late``: it has missed its deadline."""
    if new is None or not needs_pods(deployment, new) or deployment["spec"].get("paused"):
        return None
    proven = [each for each in old if is_proven(each) and "deletionTimestamp" not in each["metadata"]]
    crash = next(filter(None, map(crash_of, members)), "")
    if not proven or not (late or crash):
        return None
    target = max(proven, key=revision)
    why = crash or "it has missed its progress deadline"
    message = f"revision {revision(new)} failed ({why}): went back to revision {revision(target)}"
    return Return(target, "CrashLoop" if crash else "ProgressDeadlineExceeded", message)


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
