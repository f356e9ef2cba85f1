"""Fires cron jobs.

Reads a cron job and the jobs that it controls. Writes: jobs, deletions of jobs, the status with its ledger. What one pass
decides is written in one transaction, and only onto the cron job that was read, so no time that falls due is acted upon
twice, and none without an entry. It wakes by itself when the next one is due; the full pass is the net below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from controlplane.controllers import events
from controlplane.controllers.base import Controller, Key, judge_refusal
from controlplane.controllers.cronjobs import plan
from controlplane.controllers.cronjobs.plan import Decision
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Forbidden, Invalid, NotFound, StoreError, conflict
from controlplane.store.objects import ChangeRecord, Create, Delete, Patch, Write
from controlplane.store.turn import turn
from schema import cron, kinds
from schema.base import Wire
from schema.defaulting import default
from schema.meta import DeleteOptions, Preconditions

COMPONENT = "cronjob-controller"
MARGIN = timedelta(milliseconds=5)
"""Woken a moment too early it would only have to wait again."""


class CronJobController(Controller[Sequence[Wire]]):
    name = "cronjob"
    kind = kinds.CRON_JOB
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.JOB:
            yield from ((change.namespace, owner["name"]) for owner in _owners(change.object))

    def gather(self, obj: Wire) -> Sequence[Wire]:
        uid = obj["metadata"]["uid"]
        found = objects.dependents_of(uid)
        jobs = [each for each in found if each["kind"] == "Job" and any(o["uid"] == uid for o in _owners(each))]
        return sorted(jobs, key=lambda job: str(job["metadata"]["name"]))

    def plan(self, obj: Wire, children: Sequence[Wire], now: datetime) -> Plan:
        try:
            decision = plan.decide(obj, children, now)
        except cron.ScheduleError as fault:  # it was sound when it was written
            record = Record(obj, "Warning", "UnparseableSchedule", f"unparseable schedule: {fault}", COMPONENT)
            return Plan([Step("tell", events=[record])], outcome=Stalled(str(fault)))
        wait = None
        if decision.again is not None:
            wait = Wait(max((decision.again + MARGIN - now).total_seconds(), 0.0), "the next one is not due yet")
        quiet = decision.create is None and not decision.delete and decision.status == (obj.get("status") or {})
        return Plan([] if quiet else [Step("fire", act=partial(fire, obj, decision))], outcome=wait)


def fire(cronjob: Wire, decision: Decision) -> None:
    """All of it in one transaction. Raises `Conflict` if the cron job is another by now, `Refused` if its
    job may not be made."""
    metadata = cronjob["metadata"]
    key = (kinds.CRON_JOB, metadata["namespace"], metadata["name"])
    change = partial(_with_status, status=decision.status, revision=metadata["resourceVersion"])
    writes: list[Write] = [Patch(*key, change, "status", metadata["uid"])]
    writes += [
        Delete(kinds.JOB, job["metadata"]["namespace"], job["metadata"]["name"], _gone(job)) for job in decision.delete
    ]
    refusal: StoreError | None = None
    with turn(), transaction.atomic():
        if decision.create is not None:
            refusal = _create(decision.create)
        if refusal is None:
            for result in objects.write_many(writes):
                if isinstance(result, StoreError) and not isinstance(result, NotFound):
                    raise result
    if refusal is not None:
        judge_refusal(decision.create or {}, refusal)
    _tell(cronjob, decision)


def _create(job: Wire) -> StoreError | None:
    """Why the job was refused. One of its name is this one: it was made before."""
    default(kinds.JOB, job)
    job.pop("status", None)
    (made,) = objects.write_many([Create(kinds.JOB, job)])
    if isinstance(made, Forbidden | Invalid | NotFound):
        return made
    if isinstance(made, StoreError) and not isinstance(made, AlreadyExists):
        raise made
    return None


def _gone(job: Wire) -> DeleteOptions:
    return DeleteOptions(propagation_policy="Background", preconditions=Preconditions(uid=job["metadata"]["uid"]))


def _with_status(stored: Wire, *, status: Wire, revision: str) -> Wire:
    if stored["metadata"]["resourceVersion"] != revision:
        raise conflict(kinds.CRON_JOB, stored["metadata"]["name"])
    return {**stored, "status": status}


def _tell(cronjob: Wire, decision: Decision) -> None:
    told = [Record(cronjob, each.severity, each.reason, each.message, COMPONENT) for each in decision.events]
    for job in decision.delete:
        name = job["metadata"]["name"]
        told.append(Record(cronjob, "Normal", "SuccessfulDelete", f"Deleted job {name}", COMPONENT))
    if decision.create is not None:
        name = decision.create["metadata"]["name"]
        told.append(Record(cronjob, "Normal", "SuccessfulCreate", f"Created job {name}", COMPONENT))
    events.record_many(told)


def _owners(obj: Wire) -> list[Wire]:
    """References to the cron job that controls it: one or none."""
    references = obj["metadata"].get("ownerReferences") or ()
    return [each for each in references if each.get("controller") and each["kind"] == kinds.CRON_JOB.kind]
