"""The outline of every controller. It exists once, here; docs/controllers.md shows how to add one.

One pass over one key:

1. fetch the object; where it is gone, `gone`;
2. where the controller has a finalizer: put it on a living object; for a deleted one `plan_deletion`, and take the finalizer
   off when nothing is left to do;
3. `gather` what the decision needs (the only reads), `plan` (pure), take the steps in order;
4. write status, conditions and observedGeneration in one go, if they changed;
5. answer with a `Verdict`: done, look again after so many seconds, or wait for a change.

A lost race (`Conflict`) starts the pass over. Whatever else is raised is a defect: the task logs it with the key and
repeats it with back-off.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from controlplane.controllers import events
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.plan import Condition, Plan, Step, merge
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, StoreError, conflict
from controlplane.store.objects import ChangeRecord, Create, Patch, Write
from schema import meta
from schema.base import Wire
from schema.kinds import Kind

log = logging.getLogger(__name__)

CONFLICT_ATTEMPTS = 5
WRITES_PER_TRANSACTION = 200
"""Other writers wait for no longer than that many take."""

Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""
Children = TypeVar("Children")


@dataclass(frozen=True)
class Verdict:
    """What is to happen with the key after this pass."""

    again_after: float | None = None
    """Seconds; None: nothing, until something changes."""
    reason: str = ""


DONE = Verdict()


class Controller(ABC, Generic[Children]):
    """One per process; it holds nothing between passes."""

    name: ClassVar[str]
    """In queues and logs."""
    kind: ClassVar[Kind]
    finalizer: ClassVar[str] = ""
    """Put on each object, and taken off when its deletion has been planned to the end."""
    plans_deletion: ClassVar[bool] = False
    """Deleted objects are planned for even without a finalizer of ours."""
    reports: ClassVar[bool] = True
    """Writes the status of the object: its conditions, and what it waits for. False where the kind has another master."""
    swaps: ClassVar[bool] = False
    """The status is written only onto the object that was read: somebody else writes it too."""
    observes_generation: ClassVar[bool] = True
    """The kind's status has an observedGeneration."""
    conditions_observe_generation: ClassVar[bool] = True
    """So have its conditions."""

    @abstractmethod
    def gather(self, obj: Wire) -> Children:
        """Read what the decision needs."""

    @abstractmethod
    def plan(self, obj: Wire, children: Children, now: datetime) -> Plan:
        """Decide. Pure."""

    def plan_deletion(self, obj: Wire, children: Children, now: datetime) -> Plan:
        """Decide what must happen before a deleted object may go. Pure."""
        return Plan()

    def gone(self, namespace: str, name: str) -> None:
        """The object is not there (any more)."""

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        """Which keys of this controller a change concerns: of its own kind, of children, of whatever it reads. Quick and
        without reading: it runs for every change, in the process that made it."""
        if change.kind is self.kind:
            yield change.namespace, change.name

    def all_keys(self) -> Iterable[Key]:
        """What a full pass looks at."""
        for wire in objects.list_objects(self.kind).items:
            yield wire["metadata"].get("namespace", ""), wire["metadata"]["name"]

    # The outline

    def reconcile(self, namespace: str, name: str) -> Verdict:
        """One pass over one key. Raises only what is a defect."""
        for _ in range(CONFLICT_ATTEMPTS):
            try:
                return self._pass(namespace, name)
            except Conflict as conflict:
                log.debug("%s %s/%s: %s; reading again", self.name, namespace, name, conflict)
        return Verdict(again_after=1.0, reason="somebody else keeps changing the object")

    def _pass(self, namespace: str, name: str) -> Verdict:
        try:
            obj = objects.get(self.kind, namespace, name)
        except NotFound:
            self.gone(namespace, name)
            return DONE
        try:
            return self._decide(obj)
        except NotFound as missing:  # it, or what a step worked on, went meanwhile: that change has its own pass
            return Verdict(reason=missing.message)

    def _decide(self, obj: Wire) -> Verdict:
        deleted = "deletionTimestamp" in obj["metadata"]
        ours = self.finalizer in (obj["metadata"].get("finalizers") or ())
        if deleted and not ours and not self.plans_deletion:
            return DONE
        if self.finalizer and not deleted and not ours:
            obj = objects.mutate(self.kind, *_key(obj), lambda stored: _with_finalizer(stored, self.finalizer))
        planner = self.plan_deletion if deleted else self.plan
        plan = planner(obj, self.gather(obj), meta.now())
        outcome = self._take(plan)
        if deleted and ours and outcome is None and not plan.steps:
            objects.mutate(self.kind, *_key(obj), lambda stored: _without_finalizer(stored, self.finalizer))
            return DONE
        if self.reports:
            self._report(obj, plan, outcome)
        return _verdict(outcome)

    def _take(self, plan: Plan) -> Wait | Stalled | None:
        for step in plan.steps:
            try:
                take(step)
            except (Wait, Stalled) as outcome:
                return outcome
        return plan.outcome

    def _report(self, obj: Wire, plan: Plan, outcome: Wait | Stalled | None) -> None:
        generation = obj["metadata"].get("generation") if self.observes_generation else None
        spoken_of = generation if self.conditions_observe_generation else None
        conditions = [*plan.conditions, *self.progress(outcome)]
        now = meta.now()

        def change(stored: Wire) -> Wire:
            if self.swaps and stored["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                raise conflict(self.kind, obj["metadata"]["name"])
            status = stored.get("status") or {}
            merged = merge(status.get("conditions") or (), conditions, now, spoken_of)
            observed = {} if generation is None else {"observedGeneration": generation}
            told = {**status, **plan.status, **observed, "conditions": merged}
            return {**stored, "status": {name: value for name, value in told.items() if value is not None}}

        if change(obj)["status"] != (obj.get("status") or {}):
            write([Patch(self.kind, *_key(obj), change, subresource="status", uid=obj["metadata"]["uid"])])

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        """How the kind says that it is still being worked on, or that it cannot be: the conditions that kstatus reads."""
        waits, stalled = isinstance(outcome, Wait), isinstance(outcome, Stalled)
        message = "" if outcome is None else outcome.reason
        return (
            Condition("Reconciling", str(waits), "Waiting" if waits else "Done", message if waits else ""),
            Condition("Stalled", str(stalled), "Stalled" if stalled else "Working", message if stalled else ""),
        )


def take(step: Step) -> None:
    """Its writes, its act, its events. Raises `Wait`, `Stalled`, `Conflict`."""
    write(step.writes)
    if step.act is not None:
        step.act()
    events.record_many(step.events)


def write(writes: Sequence[Write]) -> None:
    """Write all. Raises `Conflict` where the plan was made on something that has changed since, `Stalled` where the store
    will never take it. What is gone already needs neither change nor deletion."""
    for start in range(0, len(writes), WRITES_PER_TRANSACTION):
        some = writes[start : start + WRITES_PER_TRANSACTION]
        for one, result in zip(some, objects.write_many(some), strict=True):
            if isinstance(result, StoreError):
                _judge(one, result)


def _judge(one: Write, error: StoreError) -> None:
    if isinstance(error, AlreadyExists):
        raise Conflict(error.message, kind=error.kind, name=error.name) from error
    if isinstance(error, Forbidden | Invalid) or (isinstance(error, NotFound) and isinstance(one, Create)):
        raise Stalled(error.message) from error
    if not isinstance(error, NotFound):
        raise error


def _verdict(outcome: Wait | Stalled | None) -> Verdict:
    if isinstance(outcome, Wait):
        return Verdict(outcome.after, outcome.reason)
    return DONE if outcome is None else Verdict(reason=outcome.reason)


def _key(obj: Wire) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _with_finalizer(obj: Wire, name: str) -> Wire | None:
    metadata: dict[str, Any] = obj["metadata"]
    present = metadata.get("finalizers") or []
    if name in present or "deletionTimestamp" in metadata:
        return None
    return {**obj, "metadata": {**metadata, "finalizers": [*present, name]}}


def _without_finalizer(obj: Wire, name: str) -> Wire | None:
    metadata: dict[str, Any] = obj["metadata"]
    present = metadata.get("finalizers") or []
    if name not in present:
        return None
    return {**obj, "metadata": {**metadata, "finalizers": [each for each in present if each != name]}}
