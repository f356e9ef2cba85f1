"""Carries builds out.

Reads a build, its pod, and the builds that wait before it. Writes: the pod of each attempt, and of the status what the
others do not write (the API writes `context`, the building node steps and result while it builds). The pod ends with its
build, and holds its log until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controlplane.builds import builds, reuse
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.builds import plan as decide
from controlplane.controllers.builds import pod as pods
from controlplane.controllers.builds.plan import Result
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import is_controlled_by, owner_keys
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, Create, Delete
from schema import kinds, meta
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions
from schema.slipway.building import BUILDING, FAILED, PENDING, QUEUED, SUCCEEDED, pod_name

COMPONENT = "build-controller"
_KEPT = "it is kept until its time is over"
QUEUE_SECONDS = 5.0
"""How often a waiting build counts those before it."""


@dataclass(frozen=True)
class Children:
    pod: Wire | None = None
    foreign: bool = False
    """There is a pod of its name that is not the build's."""
    queue: list[Wire] = field(default_factory=list)
    earlier: Wire | None = None
    """A build that made the same."""


class BuildController(Controller[Children]):
    name = "build"
    kind = kinds.BUILD
    swaps = True

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.POD:
            yield from owner_keys(change, kinds.BUILD)

    def gather(self, obj: Wire) -> Children:
        metadata = obj["metadata"]
        if decide.is_over(obj):
            return Children()
        try:
            pod = objects.get(kinds.POD, metadata["namespace"], pod_name(metadata["name"], decide.attempt(obj)))
        except NotFound:
            fresh = not decide.waits_for_context(obj) and not (obj.get("status") or {}).get("podName")
            return Children(earlier=reuse.find(obj) if fresh else None)
        if not is_controlled_by(pod, obj):
            return Children(foreign=True)
        scheduled = (pod.get("spec") or {}).get("nodeName")
        return Children(pod, queue=[] if scheduled else objects.list_objects(kinds.BUILD).items)

    def plan(self, obj: Wire, children: Children, now: datetime) -> Plan:
        if decide.is_over(obj):
            return _after(obj, now)
        if decide.waits_for_context(obj):
            return _report(obj, decide.awaited(obj, now), children, now)
        if children.foreign:
            return _report(obj, Result(FAILED, "PodExists", "a pod of its pod's name is there already"), children, now)
        if children.earlier is not None:
            return _reuse(obj, children, children.earlier, now)
        if children.pod is None:
            return _begin(obj, children, now)
        return _report(obj, decide.read(children.pod), children, now)

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        return super().progress(None if outcome is not None and outcome.reason == _KEPT else outcome)

    def gone(self, namespace: str, name: str) -> None:
        builds.sweep()


def _begin(obj: Wire, children: Children, now: datetime) -> Plan:
    """Make its pod; one that was there before and is gone was deleted by somebody."""
    status = obj.get("status") or {}
    if status.get("attempt") == decide.attempt(obj) and status.get("podName"):
        return _report(
            obj, Result(FAILED, "Cancelled", "its pod was deleted; raise spec.attempt to try again"), children, now
        )
    made = pods.make(obj)
    created = Record(obj, "Normal", "BuildQueued", f"created pod {made['metadata']['name']}", COMPONENT)
    before = [_end_of(obj, status["podName"])] if status.get("podName") else []
    planned = _report(
        obj, Result(QUEUED, "WaitingForBuilder", "it waits for a node with a free builder"), children, now
    )
    fresh = {name: None for name in (*builds.PROGRESS, "sameAs") if name in status}
    return Plan(
        [Step("end the attempt before", before), Step("create pod", [Create(kinds.POD, made)], [created])],
        planned.conditions,
        {**fresh, **planned.status, "podName": made["metadata"]["name"], "startTime": None, "completionTime": None},
        planned.outcome,
    )


def _reuse(obj: Wire, children: Children, earlier: Wire, now: datetime) -> Plan:
    """Nothing is built: it would be the same."""
    fields = {**reuse.result(earlier), "startTime": meta.format_time(now)}
    return _report(obj, Result(SUCCEEDED, "BuiltBefore", "", fields), children, now)


def _end_of(obj: Wire, pod: str) -> Delete:
    return Delete(kinds.POD, obj["metadata"]["namespace"], pod)


def _report(obj: Wire, result: Result, children: Children, now: datetime) -> Plan:
    status: Wire = {"phase": result.phase, "attempt": decide.attempt(obj), **(result.status or {})}
    if children.pod is not None:
        status["nodeName"] = (children.pod.get("spec") or {}).get("nodeName") or None
        status["startTime"] = decide.started_at(children.pod) or None
    waits = result.phase == QUEUED
    status["queuePosition"] = decide.position(obj, children.queue) if waits else None
    if result.phase == FAILED and "failure" not in status:
        status["failure"] = {"reason": result.reason, "message": result.message}
    if result.phase == FAILED and (steps := (obj.get("status") or {}).get("steps")):
        status["steps"] = builds.ended_steps(steps)
    over = result.phase in (SUCCEEDED, FAILED)
    if over:
        status["completionTime"] = meta.format_time(now)
    telling = [Step("tell", events=[_ending(obj, result, status)])] if over else []
    outcome = None if over else Wait(_patience(result), result.message or "it is being built")
    return Plan(telling, _conditions(result), status, outcome)


def _patience(result: Result) -> float:
    return {PENDING: 600.0, QUEUED: QUEUE_SECONDS, BUILDING: 60.0}.get(result.phase, 60.0)


def _conditions(result: Result) -> list[Condition]:
    succeeded, failed = result.phase == SUCCEEDED, result.phase == FAILED
    message = result.message[:1000]
    return [
        Condition("Complete", str(succeeded), result.reason, message if not failed else ""),
        Condition("Failed", str(failed), result.reason if failed else "NotFailed", message if failed else ""),
    ]


def _ending(obj: Wire, result: Result, status: Wire) -> Record:
    if result.phase == SUCCEEDED and status.get("sameAs"):
        why = f"build {status['sameAs']} had made the same: {status.get('image')}"
        return Record(obj, "Normal", "BuildReused", why, COMPONENT)
    if result.phase == SUCCEEDED:
        return Record(obj, "Normal", "BuildSucceeded", f"built {status.get('image')}", COMPONENT)
    return Record(obj, "Warning", "BuildFailed", f"{result.reason}: {result.message}", COMPONENT)


def _after(obj: Wire, now: datetime) -> Plan:
    """Keeps what is known, and ends the build when its time is over."""
    status = obj.get("status") or {}
    kept = [
        Condition(each["type"], each["status"], each.get("reason", ""), each.get("message", ""))
        for each in status.get("conditions") or ()
        if each["type"] in ("Complete", "Failed")
    ]
    expires = decide.expires_at(obj)
    if expires is None:
        return Plan(conditions=kept)
    if now < expires:
        return Plan(conditions=kept, outcome=Wait((expires - now).total_seconds(), _KEPT))
    metadata = obj["metadata"]
    options = DeleteOptions(propagation_policy="Background", preconditions=Preconditions(uid=metadata["uid"]))
    gone = Delete(kinds.BUILD, metadata["namespace"], metadata["name"], options)
    return Plan([Step("remove", [gone])], conditions=kept)
