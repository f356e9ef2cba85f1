"""ReplicaSets, and ReplicationControllers, which differ in name only: so many pods of one template.

Reads pods. Writes pods (makes and deletes them, adopts and releases them) and its own status. `decide` is pure. All missing pods
are made in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from controlplane.controllers import ownership, pods
from controlplane.controllers.base import DONE, FAILED_CREATE, Controller, Key, Verdict
from controlplane.controllers.errors import Refused, Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import Claims
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store import objects
from controlplane.store.objects import ChangeRecord, Create, Delete
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import of_workload

FAILURE = "ReplicaFailure"


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
    failure: ClassVar[str] = FAILURE
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
            steps.append(self._make(obj, decision.create))
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
            return (Condition(FAILURE, "True", FAILED_CREATE, outcome.reason),)
        return (Condition(FAILURE, ""),)

    def _end(self, owner: Wire, surplus: Sequence[Wire]) -> Step:
        records = [self._record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {_name(pod)}") for pod in surplus]
        return Step("end pods", [_delete(pod) for pod in surplus], records)

    def _make(self, owner: Wire, names: Sequence[str]) -> Step:
        pod = pods.from_template(owner, owner["spec"]["template"])
        pod["metadata"]["generateName"] = f"{owner['metadata']['name']}-"
        records = [self._record(owner, "Normal", "SuccessfulCreate", f"Created pod: {name}") for name in names]
        return Step("make pods", [Create(kinds.POD, pods.named(pod, name)) for name in names], told=records)

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
