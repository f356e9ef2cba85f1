"""Carries jobs out.

Reads a job and its pods. Writes: pods, the finalizer on them, the job's status, its deletion when its time is over. What one pass
decides is written in one transaction, and only onto the job that was read: a pod is counted and let go at once, and two
passes at the same time cannot both make the same pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction

from controlplane.controllers import events
from controlplane.controllers.base import Controller, Key, judge_refusal
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.jobs import plan, template
from controlplane.controllers.jobs.plan import Decision
from controlplane.controllers.jobs.pods import FINALIZER, Pod
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import Forbidden, Invalid, NotFound, StoreError, conflict
from controlplane.store.kinds.job import Job as JobRow
from controlplane.store.kinds.pod import Pod as PodRow
from controlplane.store.objects import ChangeRecord, Create, Delete, Patch, Write
from controlplane.store.turn import turn
from schema import kinds
from schema.base import Wire
from schema.batch.job import LABEL_NAME
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import LabelSelector

COMPONENT = "job-controller"


class JobController(Controller[Sequence[Pod]]):
    name = "job"
    kind = kinds.JOB
    plans_deletion = True
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.POD:
            yield from ((change.namespace, owner["name"]) for owner in _owners(change.object))

    def all_keys(self) -> Iterable[Key]:
        """Jobs, and names of those that are gone while pods that they did not count are held."""
        yield from JobRow.objects.values_list("namespace", "name")
        held = PodRow.objects.exclude(deleted_at="").filter(metadata__contains=FINALIZER)
        for namespace, name in held.values_list("namespace", "name"):
            try:
                pod = objects.get(kinds.POD, namespace, name)
            except NotFound:
                continue
            yield from ((namespace, owner["name"]) for owner in _owners(pod))

    def gather(self, obj: Wire) -> Sequence[Pod]:
        selector = LabelSelector.from_object(obj["spec"].get("selector"))
        found = objects.list_objects(kinds.POD, namespace=obj["metadata"]["namespace"], labels=selector).items
        uid = obj["metadata"]["uid"]
        return [Pod(pod) for pod in found if any(owner["uid"] == uid for owner in _owners(pod))]

    def plan(self, obj: Wire, children: Sequence[Pod], now: datetime) -> Plan:
        if not plan.is_ours(obj):
            return Plan()
        decision = plan.decide(obj, children, now)
        wait = _wait(decision, now)
        if decision.remove:
            metadata = obj["metadata"]
            options = DeleteOptions(propagation_policy="Background", preconditions=Preconditions(uid=metadata["uid"]))
            gone = Delete(kinds.JOB, metadata["namespace"], metadata["name"], options)
            return Plan([Step("let go", _releases(decision.counted)), Step("remove", [gone])])
        if _is_quiet(obj, decision):
            return Plan(outcome=wait)
        return Plan([Step("carry out", act=partial(carry_out, obj, decision))], outcome=wait)

    def plan_deletion(self, obj: Wire, children: Sequence[Pod], now: datetime) -> Plan:
        held = [pod for pod in children if pod.is_tracked]
        return Plan([Step("let go", _releases(held))] if held else [])

    def gone(self, namespace: str, name: str) -> None:
        """Nobody will count what the job left behind."""
        labels = LabelSelector.from_labels({LABEL_NAME: name})
        found = objects.list_objects(kinds.POD, namespace=namespace, labels=labels).items
        left = [Pod(pod) for pod in found if any(owner["name"] == name for owner in _owners(pod))]
        objects.write_many(_releases([pod for pod in left if pod.is_tracked]))


def carry_out(job: Wire, decision: Decision) -> None:
    """All of it in one transaction. Raises `Conflict` if the job is another by now, `Refused` if pods may not be made."""
    key = (kinds.JOB, job["metadata"]["namespace"], job["metadata"]["name"])
    creates = [Create(kinds.POD, template.pod(job, new)) for new in decision.create]
    with turn(), transaction.atomic():
        same = Patch(*key, partial(_unchanged, revision=job["metadata"]["resourceVersion"]), uid=job["metadata"]["uid"])
        first, *made = objects.write_many([same, *creates])
        _must(first)
        refused = [each for each in made if isinstance(each, StoreError)]
        for each in refused:
            if not isinstance(each, Forbidden | Invalid):
                raise each
        status = {**decision.status, "active": decision.status.get("active", 0) - len(refused)}
        writes = [
            Patch(*key, partial(_with_status, status=status), "status", job["metadata"]["uid"]),
            *_releases([*decision.counted, *decision.delete]),
            *(Delete(*_key(pod), DeleteOptions(preconditions=Preconditions(uid=pod.uid))) for pod in decision.delete),
        ]
        for result in objects.write_many(writes):
            _must(result)
    _tell(job, decision, made)
    for pod, result in zip(creates, made, strict=True):
        if isinstance(result, StoreError):
            judge_refusal(pod.obj, result)


def _must(result: Wire | StoreError) -> None:
    """What is gone needs no change; anything else undoes the transaction."""
    if isinstance(result, StoreError) and not isinstance(result, NotFound):
        raise result


def _unchanged(stored: Wire, *, revision: str) -> None:
    if stored["metadata"]["resourceVersion"] != revision:
        raise conflict(kinds.JOB, stored["metadata"]["name"])


def _with_status(stored: Wire, *, status: Wire) -> Wire:
    return {**stored, "status": status}


def _releases(pods: Iterable[Pod]) -> list[Write]:
    return [Patch(*_key(pod), _without_finalizer, uid=pod.uid) for pod in pods]


def _without_finalizer(pod: Wire) -> Wire | None:
    metadata = pod["metadata"]
    present = metadata.get("finalizers") or []
    if FINALIZER not in present:
        return None
    return {**pod, "metadata": {**metadata, "finalizers": [each for each in present if each != FINALIZER]}}


def _key(pod: Pod) -> tuple[kinds.Kind, str, str]:
    return kinds.POD, pod.wire["metadata"]["namespace"], pod.name


def _owners(obj: Wire) -> list[Wire]:
    """References to the job that controls it: one or none."""
    references = obj["metadata"].get("ownerReferences") or ()
    return [each for each in references if each.get("controller") and _is_job(each)]


def _is_job(reference: Wire) -> bool:
    return bool(reference["kind"] == kinds.JOB.kind and reference["apiVersion"] == kinds.JOB.api_version)


def _is_quiet(job: Wire, decision: Decision) -> bool:
    work = decision.counted or decision.delete or decision.create
    return not work and decision.status == (job.get("status") or {})


def _wait(decision: Decision, now: datetime) -> Wait | None:
    if decision.again is None:
        return None
    return Wait(max((decision.again - now).total_seconds(), 0.0), "something falls due")


def _tell(job: Wire, decision: Decision, made: Sequence[Wire | StoreError]) -> None:
    told = [Record(job, each.severity, each.reason, each.message, COMPONENT) for each in decision.events]
    told += [
        Record(job, "Normal", "SuccessfulCreate", f"Created pod: {each['metadata']['name']}", COMPONENT)
        for each in made
        if not isinstance(each, StoreError)
    ]
    told += [
        Record(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod.name}", COMPONENT) for pod in decision.delete
    ]
    events.record_many(told)
