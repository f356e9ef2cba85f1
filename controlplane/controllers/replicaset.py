"""ReplicaSets, and ReplicationControllers, which differ in name only: so many pods of one template.

Reads pods. Writes pods (makes and deletes them, adopts and releases them) and its own status. `decide` is pure. All missing pods
are made in one transaction; where some were refused lately it begins with one and doubles, so that what is bound to fail
costs little.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from controlplane.controllers import events, ownership, pods
from controlplane.controllers.base import DONE, WRITES_PER_TRANSACTION, Controller, Key, Verdict
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import Claims
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Conflict, StoreError
from controlplane.store.objects import ChangeRecord, Create, Delete
from schema import kinds, meta
from schema.base import Wire
from schema.kinds import Kind
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import of_workload

FAILURE = "ReplicaFailure"
SHORTEST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class Refused(Wait):
    """Pods could not be made; the reason says why the first could not."""


@dataclass(frozen=True)
class Decision:
    create: Sequence[str]
    """Names of the pods to make."""
    delete: Sequence[Wire]
    status: Wire
    again_after: float | None
    """Seconds until a ready pod becomes available."""


def decide(owner: Wire, mine: Sequence[Wire], now: datetime) -> Decision:
    """What is to be done so that there are as many active pods as asked for. Pure."""
    spec = owner["spec"]
    wanted, minimum = int(spec.get("replicas", 1)), int(spec.get("minReadySeconds") or 0)
    active = [pod for pod in mine if pods.is_active(pod)]
    taken = {pod["metadata"]["name"] for pod in mine}
    missing = max(0, wanted - len(active))
    surplus = len(active) - wanted
    return Decision(
        create=pods.names(owner, taken, missing),
        delete=pods.by_deletion_rank(active)[:surplus] if surplus > 0 else (),
        status=_status(spec, mine, active, minimum, now),
        again_after=pods.next_available(active, minimum, now),
    )


def _status(spec: Wire, mine: Sequence[Wire], active: Sequence[Wire], minimum: int, now: datetime) -> Wire:
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(
            1 for pod in active if labels.items() <= (pod["metadata"].get("labels") or {}).items()
        ),
        "readyReplicas": sum(1 for pod in active if pods.is_ready(pod)),
        "availableReplicas": sum(1 for pod in active if pods.is_available(pod, minimum, now)),
        "terminatingReplicas": sum(1 for pod in mine if pods.is_leaving(pod) and not pods.is_finished(pod)),
    }


class ReplicaSetController(Controller[Claims]):
    name: ClassVar[str] = "replicaset"
    kind: ClassVar[Kind] = kinds.REPLICA_SET
    component: ClassVar[str] = "replicaset-controller"
    conditions_observe_generation: ClassVar[bool] = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        """Its own, that of the pod's controller, and the key without a name for a pod that somebody may want to adopt."""
        yield from super().keys_for(change)
        if change.kind is kinds.POD:
            yield from ownership.owner_keys(change, self.kind)
            if ownership.is_up_for_adoption(change):
                yield change.namespace, ""

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if name:
            return super().reconcile(namespace, name)
        candidates = objects.list_objects(self.kind, namespace=namespace).items
        orphans = _orphans(namespace) if candidates else []
        for each in candidates:
            selector = of_workload(each["spec"].get("selector"))
            if selector is not None and any(selector.matches(labels) for labels in orphans):
                super().reconcile(namespace, each["metadata"]["name"])
        return DONE

    def gather(self, obj: Wire) -> Claims:
        selector = of_workload(obj["spec"].get("selector"))
        if selector is None:
            return Claims()
        return ownership.claim(obj, selector, pods.owned_by(obj, selector))

    def plan(self, obj: Wire, children: Claims, now: datetime) -> Plan:
        decision = decide(obj, children.mine, now)
        steps = []
        if children.adopted or children.released:
            steps.append(Step("claim pods", children.writes(kinds.POD, obj)))
        if decision.create:
            steps.append(Step("make pods", act=partial(self._make, obj, decision.create, now)))
        if decision.delete:
            steps.append(self._end(obj, decision.delete))
        status = {name: count for name, count in decision.status.items() if self._has(name)}
        waiting = None
        if decision.again_after is not None:
            waiting = Wait(decision.again_after, "ready pods are not yet available: minReadySeconds")
        return Plan(steps, (), status, waiting)

    def _has(self, field: str) -> bool:
        return field != "terminatingReplicas" or self.kind is kinds.REPLICA_SET

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        if isinstance(outcome, Refused):
            return (Condition(FAILURE, "True", "FailedCreate", outcome.reason),)
        return (Condition(FAILURE, ""),)

    def _end(self, owner: Wire, surplus: Sequence[Wire]) -> Step:
        records = [self._record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {_name(pod)}") for pod in surplus]
        return Step("end pods", [_delete(pod) for pod in surplus], records)

    def _make(self, owner: Wire, names: Sequence[str], now: datetime) -> None:
        """Raises `Conflict` where a name is taken (another pass was here) and `Refused`."""
        pod = pods.from_template(owner, owner["spec"]["template"])
        failed_before = find(owner, FAILURE)
        size = 1 if failed_before else WRITES_PER_TRANSACTION
        start = 0
        while start < len(names):
            some = names[start : start + size]
            results = objects.write_many([Create(kinds.POD, pods.named(pod, name)) for name in some])
            pairs = zip(some, results, strict=True)
            refusals = [(name, error) for name, error in pairs if isinstance(error, StoreError)]
            taken = [error for _, error in refusals if isinstance(error, AlreadyExists)]
            said = [_unnamed(error, name) for name, error in refusals if not isinstance(error, AlreadyExists)][:1]
            self._tell(owner, [each for each in results if not isinstance(each, StoreError)], said)
            if taken:
                raise Conflict(taken[0].message, kind=kinds.POD)
            if said:
                raise Refused(_pause(failed_before, now), said[0])
            start += size
            size = min(2 * size, WRITES_PER_TRANSACTION)

    def _tell(self, owner: Wire, made: Sequence[Wire], refusals: Sequence[str]) -> None:
        records = [self._record(owner, "Normal", "SuccessfulCreate", f"Created pod: {_name(pod)}") for pod in made]
        records += [self._record(owner, "Warning", "FailedCreate", f"Error creating: {each}") for each in refusals]
        events.record_many(records)

    def _record(self, owner: Wire, severity: str, reason: str, message: str) -> Record:
        return Record(owner, severity, reason, message, self.component)


class ReplicationControllerController(ReplicaSetController):
    name = "replicationcontroller"
    kind = kinds.REPLICATION_CONTROLLER
    component = "replication-controller"


def _orphans(namespace: str) -> list[dict[str, Any]]:
    """The labels of pods that nobody controls."""
    found = objects.list_objects(kinds.POD, namespace=namespace).items
    return [
        pod["metadata"].get("labels") or {}
        for pod in found
        if ownership.controller_of(pod) is None and not pods.is_leaving(pod)
    ]


def _unnamed(error: StoreError, name: str) -> str:
    """Without the end of the name, which is another at each attempt: what is said again is the same."""
    return error.message.replace(name, name[: -pods.SUFFIX_LENGTH])


def _pause(failed_before: Wire, now: datetime) -> float:
    """As long as it has failed already: so the pauses double, and nothing needs to be counted."""
    since = failed_before.get("lastTransitionTime")
    age = (now - meta.parse_time(since)).total_seconds() if since else 0.0
    return min(max(age, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _name(pod: Wire) -> str:
    return str(pod["metadata"]["name"])


def _delete(pod: Wire) -> Delete:
    metadata = pod["metadata"]
    return Delete(
        kinds.POD,
        metadata["namespace"],
        metadata["name"],
        DeleteOptions(preconditions=Preconditions(uid=metadata["uid"])),
    )
