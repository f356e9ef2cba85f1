"""The outline of every controller. It exists once, here; docs/controllers.md shows how to add one.

One pass over one key:

1. fetch the object; where it is gone, `gone`;
2. where the controller has a finalizer: put it on a living object; for a deleted one `plan_deletion`, and take the finalizer
   off when nothing is left to do;
3. `gather` what the decision needs (the only reads), `plan` (pure), take the steps in order;
4. write status, conditions and observedGeneration in one go, if they changed;
5. answer with a `Verdict`: done, look again after so many seconds, or wait for a change.

What the cluster does not let a controller make (`Refused`) is said in an event FailedCreate and in a condition, and tried
again; then the first transaction makes one, and each next one twice as many, so that what is bound to fail costs little.

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

from controlplane.controllers import events, ownership
from controlplane.controllers.errors import Refused, Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find, merge
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
FAILED_CREATE = "FailedCreate"
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
REFUSED_SECONDS = 10.0
"""The pause of controllers that keep no condition to tell how long it has failed already."""

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
    component: ClassVar[str] = ""
    """Who speaks in events; where empty, ``<name>-controller``."""
    failure: ClassVar[str] = "Stalled"
    """The condition that says what was refused."""
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
        outcome = self._take(plan, cautious=bool(self._failing(obj)))
        if isinstance(outcome, Refused):
            events.record_many([self._complaint(obj, outcome)])
        if deleted and ours and outcome is None and not plan.steps:
            objects.mutate(self.kind, *_key(obj), lambda stored: _without_finalizer(stored, self.finalizer))
            return DONE
        if self.reports:
            self._report(obj, plan, outcome)
        if isinstance(outcome, Refused):
            return Verdict(self._pause(obj, meta.now()), outcome.reason)
        return _verdict(outcome)

    def _take(self, plan: Plan, *, cautious: bool = False) -> Wait | Stalled | None:
        for step in plan.steps:
            try:
                take(step, cautious=cautious)
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

    # What is refused

    def _failing(self, obj: Wire) -> Wire:
        """The condition that says that something was refused at the last pass; empty where nothing was."""
        told = find(obj, self.failure)
        return told if (told.get("status"), told.get("reason")) == ("True", FAILED_CREATE) else {}

    def _complaint(self, obj: Wire, refused: Refused) -> Record:
        component = self.component or f"{self.name}-controller"
        return Record(obj, "Warning", FAILED_CREATE, f"Error creating: {refused.reason}", component)

    def _pause(self, obj: Wire, now: datetime) -> float:
        """As long as it has failed already: so the pauses double, and nothing needs to be counted."""
        if not self.reports:
            return REFUSED_SECONDS
        since = self._failing(obj).get("lastTransitionTime")
        age = (now - meta.parse_time(since)).total_seconds() if since else 0.0
        return min(max(age, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        """How the kind says that it is still being worked on, or that it cannot be: the conditions that kstatus reads."""
        waits, stalled = isinstance(outcome, Wait), isinstance(outcome, Stalled)
        message = "" if outcome is None else outcome.reason
        blocked = FAILED_CREATE if isinstance(outcome, Refused) else "Stalled"
        return (
            Condition("Reconciling", str(waits), "Waiting" if waits else "Done", message if waits else ""),
            Condition("Stalled", str(stalled), blocked if stalled else "Working", message if stalled else ""),
        )


def take(step: Step, *, cautious: bool = False) -> None:
    """Its writes, its act, its events. Raises `Wait`, `Stalled`, `Conflict`."""
    write(step.writes, step.told, cautious=cautious)
    if step.act is not None:
        step.act()
    events.record_many(step.events)


def write(writes: Sequence[Write], told: Sequence[Record] = (), *, cautious: bool = False) -> None:
    """Write all. Raises `Conflict` where the plan was made on something that has changed since, `Refused` where something
    may not be made now, `Stalled` where the store will never take it. What is gone already needs neither change nor
    deletion. ``told`` is said of each that is made; ``cautious`` begins with one."""
    start, size = 0, 1 if cautious and writes and isinstance(writes[0], Create) else WRITES_PER_TRANSACTION
    while start < len(writes):
        some = writes[start : start + size]
        results = objects.write_many(some)
        pairs = zip(told[start : start + size], results, strict=False)
        events.record_many([record for record, result in pairs if not isinstance(result, StoreError)])
        for one, result in zip(some, results, strict=True):
            if isinstance(result, StoreError):
                _judge(one, result)
        start, size = start + size, min(2 * size, WRITES_PER_TRANSACTION)


def _judge(one: Write, error: StoreError) -> None:
    if isinstance(error, AlreadyExists):
        if isinstance(one, Create):
            _judge_namesake(one, error)
        raise Conflict(error.message, kind=error.kind, name=error.name) from error
    if isinstance(one, Create):
        judge_refusal(one.obj, error)
    if isinstance(error, Forbidden | Invalid):
        raise Stalled(error.message) from error
    if not isinstance(error, NotFound):
        raise error


def _judge_namesake(one: Create, error: AlreadyExists) -> None:
    """Returns where another pass was faster. Raises `Wait` where what has the name is on its way out, `Refused` where it is
    somebody else's."""
    owner = ownership.controller_of(one.obj)
    if owner is None:
        return
    metadata = one.obj["metadata"]
    try:
        present = objects.get(one.kind, metadata["namespace"], metadata["name"])
    except NotFound:
        return
    if (ownership.controller_of(present) or {}).get("uid") == owner["uid"]:
        return
    if "deletionTimestamp" in present["metadata"]:
        reason = f"{one.kind.singular} {metadata['name']} of another owner is still ending"
        raise Wait(SHORTEST_PAUSE_SECONDS, reason) from error
    raise Refused(f"{error.message} and is not controlled by {owner['kind']} {owner['name']}") from error


def judge_refusal(wire: Wire, error: StoreError) -> None:
    """Of something that was to be made. Raises `Refused`; `Stalled` where its namespace is gone or going, so that nothing
    will ever be made there. Returns where the error is another."""
    if isinstance(error, NotFound) or (isinstance(error, Forbidden) and error.cause == "NamespaceTerminating"):
        raise Stalled(error.message) from error
    if isinstance(error, Forbidden | Invalid):
        base = wire["metadata"].get("generateName") or ""
        # Without the end of the name, which is another at each attempt: what is said again is the same.
        raise Refused(error.message.replace(error.name, base) if base and error.name else error.message) from error


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
