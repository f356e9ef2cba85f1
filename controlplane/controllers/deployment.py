"""Deployments: a ReplicaSet for each template there has been, and a step-by-step move from the old ones to the new one.

Reads ReplicaSets, and pods where old ones must be gone before new ones come. Writes ReplicaSets (makes, scales, annotates,
deletes, adopts and releases them), the Deployment's status, and of its annotations the revision. How many pods each
ReplicaSet has is worked out in `rollout`; what an update has come to, in `progress`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from controlplane.controllers import autorollback, events, ownership, pods, progress, rollout
from controlplane.controllers.base import DONE, Key, Verdict, write
from controlplane.controllers.configuration import decide as configuration
from controlplane.controllers.configuration import workload
from controlplane.controllers.configuration.workload import ConfiguredController
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import Claims
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.controllers.rollout import Bounds, Part, Sizes
from controlplane.store import objects
from controlplane.store.errors import AlreadyExists, Conflict, StoreError
from controlplane.store.objects import ChangeRecord, ChangeType, Create, Delete, Patch
from schema import kinds, meta
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import of_workload

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
_OURS = (
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
    autorollback.SAID,
    autorollback.PROVEN,
    "kubectl.kubernetes.io/last-applied-configuration",
)
"""Annotations that a ReplicaSet does not take over from its Deployment."""
COMPONENT = "deployment-controller"


@dataclass(frozen=True)
class Family:
    """What a Deployment has."""

    claims: Claims = field(default_factory=Claims)
    """Its ReplicaSets."""
    old_pods: int = 0
    """Pods of old ReplicaSets that are not over yet; counted only where they must go first (Recreate)."""
    members: Sequence[Wire] = ()
    """Pods of the newest ReplicaSet; read only where it may have to be left again."""
    around: configuration.Around = field(default_factory=configuration.Around)
    """Its ConfigMaps and Secrets, where it is rolled with them."""


class DeploymentController(ConfiguredController[Family]):
    name = "deployment"
    kind = kinds.DEPLOYMENT
    conditions_observe_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.REPLICA_SET:
            yield from ownership.owner_keys(change, self.kind)
            if ownership.is_up_for_adoption(change):
                yield change.namespace, ""
        if change.kind is kinds.POD and HASH in change.labels:
            yield from self._keys_of_pod(change)

    def _keys_of_pod(self, change: ChangeRecord) -> Iterable[Key]:
        """A Recreate waits for the last old pod, and a crash loop may send the Deployment back. The name of the
        ReplicaSet is the Deployment's and a hash."""
        found = ownership.controller_of(change.object)
        if found is None or found["kind"] != kinds.REPLICA_SET.kind:
            return
        if change.type is ChangeType.DELETED or autorollback.crash_of(change.object):
            yield change.namespace, found["name"].rpartition("-")[0]

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if name:
            return super().reconcile(namespace, name)
        for each in objects.list_objects(self.kind, namespace=namespace).items:
            super().reconcile(namespace, each["metadata"]["name"])
        return DONE

    def gather(self, obj: Wire) -> Family:
        selector = of_workload(obj["spec"].get("selector"))
        if selector is None:
            return Family()
        claims = ownership.claim(obj, selector, pods.owned_by(obj, selector, kinds.REPLICA_SET))
        new = newest(obj, claims.mine)
        members = _pods_of(new) if new is not None and autorollback.needs_pods(obj, new, meta.now()) else ()
        around = workload.look(obj, [plain_template(each) for each in claims.mine])
        return Family(claims, _old_pods(obj, claims.mine, new), members, around)

    def plan(self, obj: Wire, children: Family, now: datetime) -> Plan:
        return configuration.decide(self.kind, obj, children.around).around(_Decision(obj, children, now).plan())

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        return ()


def _old_pods(deployment: Wire, replica_sets: Sequence[Wire], new: Wire | None) -> int:
    if (deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
        return 0
    old = [each for each in replica_sets if each is not new]
    return sum(1 for each in old for pod in _pods_of(each) if not pods.is_finished(pod))


def _pods_of(replica_set: Wire) -> list[Wire]:
    return [each for each in objects.dependents_of(replica_set["metadata"]["uid"]) if each["kind"] == "Pod"]


# Which is which


def newest(deployment: Wire, replica_sets: Sequence[Wire]) -> Wire | None:
    """The ReplicaSet of the Deployment's template; the oldest, should there be several."""
    wanted = deployment["spec"]["template"]
    same = [each for each in replica_sets if plain_template(each) == _without_hash(wanted)]
    return min(same, key=_age) if same else None


def plain_template(replica_set: Wire) -> Wire:
    """A ReplicaSet's template as its Deployment had it."""
    return _without_hash(replica_set["spec"]["template"])


def _without_hash(template: Wire) -> Wire:
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def _age(replica_set: Wire) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp") or "", replica_set["metadata"]["name"]


def revision_of(wire: Wire) -> int:
    """0 where it has none, or something that is no number."""
    text = (wire["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def _number(replica_set: Wire, annotation: str) -> int | None:
    text = (replica_set["metadata"].get("annotations") or {}).get(annotation, "")
    return int(text) if text.isdecimal() else None


def part_of(replica_set: Wire) -> Part:
    status = replica_set.get("status") or {}
    return Part(
        replica_set["metadata"]["name"],
        int(replica_set["spec"].get("replicas", 1)),
        int(status.get("availableReplicas") or 0),
        _number(replica_set, MOST),
    )


# The decision


class _Decision:
    """One pass over one Deployment. Pure but for the steps that it returns."""

    def __init__(self, deployment: Wire, family: Family, now: datetime) -> None:
        self.deployment = deployment
        self.spec = deployment["spec"]
        self.family = family
        self.now = now
        self.all = sorted(family.claims.mine, key=_age)
        self.new = newest(deployment, self.all)
        self.old = [each for each in self.all if each is not self.new]
        self.limits = rollout.bounds(self.spec)
        self.recreate = (self.spec.get("strategy") or {}).get("type") == "Recreate"
        self.paused = bool(self.spec.get("paused"))

    def plan(self) -> Plan:
        report = progress.report(self.deployment, self.new, self.all, self.limits, self.now)
        conditions = [*report.conditions, self._went_back()]
        back = autorollback.decide(
            self.deployment,
            self.new,
            self.old,
            self.family.members,
            late=progress.is_late(self.deployment, report),
            now=self.now,
            revision=revision_of,
        )
        steps = [self._go_back(back)] if back is not None else self._steps()
        return Plan(steps, conditions, report.status, report.outcome)

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        claims = self.family.claims
        if claims.adopted or claims.released:
            steps.append(Step("claim ReplicaSets", claims.writes(kinds.REPLICA_SET, self.deployment)))
        if self.new is None and not self.paused:
            if self._may_begin():
                steps.append(Step("make the ReplicaSet of this revision", act=self._make))
            else:
                steps += self._resize(dict.fromkeys((part.name for part in self._parts(self.old)), 0))
        else:
            steps += self._resize(self._sizes())
        steps += self._number_revision()
        steps += self._forget()
        return steps

    # Back to what worked

    def _go_back(self, back: autorollback.Return) -> Step:
        change = partial(
            autorollback.went_back,
            seen=self.spec["template"],
            template=plain_template(back.target),
            said=f"{back.target['metadata']['name']} {back.message}",
        )
        record = Record(self.deployment, "Warning", "RolledBack", f"{back.reason}: {back.message}", COMPONENT)
        writes = [
            _patch(kinds.REPLICA_SET, back.left, autorollback.failed),
            _patch(kinds.DEPLOYMENT, self.deployment, change),
        ]
        return Step("go back", writes, [record])

    def _went_back(self) -> Condition:
        message = autorollback.told(self.deployment, self.new)
        return Condition(autorollback.CONDITION, "True" if message else "", "AutoRollback", message)

    # New revisions

    def _may_begin(self) -> bool:
        """A Recreate begins when nothing of the old is left."""
        return not self.recreate or (
            self.family.old_pods == 0 and not any(part.replicas for part in self._parts(self.old))
        )

    def _make(self) -> None:
        """Make the ReplicaSet of the template; where its name is another's, the next hash is taken."""
        collisions = int((self.deployment.get("status") or {}).get("collisionCount") or 0)
        made = self._replica_set(pods.template_hash(self.spec["template"], collisions))
        (result,) = objects.write_many([Create(kinds.REPLICA_SET, made)])
        if isinstance(result, AlreadyExists):
            self._judge_namesake(made, collisions)
        if isinstance(result, StoreError):
            self._say("Warning", "ReplicaSetCreateError", f"Failed to create new replica set: {result.message}")
            raise Wait(5.0, result.message)
        name, size = made["metadata"]["name"], made["spec"]["replicas"]
        if size:
            self._say("Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")

    def _judge_namesake(self, made: Wire, collisions: int) -> None:
        """Ours, made by a pass that was faster: read again. Somebody else's: count the collision, and read again."""
        metadata = made["metadata"]
        found = objects.get(kinds.REPLICA_SET, metadata["namespace"], metadata["name"])
        same = ownership.is_controlled_by(found, self.deployment) and plain_template(found) == plain_template(made)
        if not same:
            change = partial(_with_collisions, count=collisions + 1)
            write([Patch(kinds.DEPLOYMENT, *self._key(), change, "status", self.deployment["metadata"]["uid"])])
        raise Conflict(f"the ReplicaSet {metadata['name']} is there already", kind=kinds.REPLICA_SET)

    def _replica_set(self, digest: str) -> Wire:
        template = pods.copy(self.spec["template"])
        metadata = template.setdefault("metadata", {})
        metadata["labels"] = {**(metadata.get("labels") or {}), HASH: digest}
        selector = pods.copy(self.spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
        name = self.deployment["metadata"]["name"][: 253 - len(digest) - 1]
        size = self.limits.wanted
        if not self.recreate:
            size = rollout.grow(self.limits, Part("", 0), self._parts(self.old))
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{name}-{digest}",
                "namespace": self.deployment["metadata"]["namespace"],
                "labels": dict(metadata["labels"]),
                "annotations": self._annotations(self._next_revision()),
                "ownerReferences": [ownership.reference(self.deployment)],
            },
            "spec": {
                "replicas": size,
                "selector": selector,
                "template": template,
                **({"minReadySeconds": self.spec["minReadySeconds"]} if self.spec.get("minReadySeconds") else {}),
            },
        }

    def _next_revision(self) -> int:
        return max((revision_of(each) for each in self.old), default=0) + 1

    def _annotations(self, revision: int) -> Wire:
        own = self.deployment["metadata"].get("annotations") or {}
        return {
            **{key: value for key, value in own.items() if key not in _OURS},
            REVISION: str(revision),
            DESIRED: str(self.limits.wanted),
            MOST: str(self.limits.most),
        }

    def _number_revision(self) -> list[Step]:
        """The newest template has the highest revision, also when it is one that was there before (a rollback)."""
        writes = []
        if self.new is not None:
            revision = max(revision_of(self.new), self._next_revision())
            complete = progress.is_complete(self.deployment, self.new, self.all)
            proven = autorollback.proof(self.new, complete=complete, now=self.now)
            change = partial(_brought_up_to_date, deployment=self.deployment, revision=revision, proven=proven)
            if change(self.new) is not None:
                writes.append(_patch(kinds.REPLICA_SET, self.new, change))
            change = partial(_with_annotation, name=REVISION, value=str(revision))
            if change(self.deployment) is not None:
                writes.append(_patch(kinds.DEPLOYMENT, self.deployment, change))
        return [Step("number the revision", writes)] if writes else []

    # Sizes

    def _parts(self, replica_sets: Sequence[Wire]) -> list[Part]:
        return [part_of(each) for each in replica_sets]

    def _sizes(self) -> Sizes:
        parts, old = self._parts(self.all), self._parts(self.old)
        active = [part for part in parts if part.replicas]
        if self.new is None or self.paused or self._is_scaled():
            return self._scaled(active)
        new = part_of(self.new)
        if not self.recreate:
            return rollout.step(self.limits, new, old)
        sizes = dict.fromkeys((part.name for part in old), 0)
        if self._may_begin():
            sizes[new.name] = self.limits.wanted
        return rollout.differing(sizes, parts)

    def _is_scaled(self) -> bool:
        """Somebody changed the number of replicas since the last pass."""
        sizes = (_number(each, DESIRED) for each in self.all if each["spec"].get("replicas"))
        return any(size is not None and size != self.limits.wanted for size in sizes)

    def _scaled(self, active: Sequence[Part]) -> Sizes:
        if len(active) > 1:
            if not self.recreate:
                return rollout.proportional(self.limits, active)
            return {}
        only = active[0] if active else part_of(self.new) if self.new is not None else None
        if only is None:
            return {}
        return rollout.differing({only.name: self.limits.wanted}, [only])

    def _resize(self, sizes: Sizes) -> list[Step]:
        """Scale, and note on all that have replicas what they were scaled for."""
        writes, records = [], []
        for each in self.all:
            before = int(each["spec"].get("replicas", 1))
            after = sizes.get(each["metadata"]["name"], before)
            change = partial(_resized, replicas=after, limits=self.limits)
            if (after or before) and change(each) is not None:
                writes.append(_patch(kinds.REPLICA_SET, each, change))
            if after != before:
                word = "up" if after > before else "down"
                message = f"Scaled {word} replica set {each['metadata']['name']} from {before} to {after}"
                records.append(Record(self.deployment, "Normal", "ScalingReplicaSet", message, COMPONENT))
        return [Step("scale ReplicaSets", writes, records)] if writes else []

    # History

    def _forget(self) -> list[Step]:
        """Old ReplicaSets beyond revisionHistoryLimit, once the update is complete."""
        limit = self.spec.get("revisionHistoryLimit")
        if limit is None or self.new is None or not progress.is_complete(self.deployment, self.new, self.all):
            return []
        empty = [each for each in self.old if _is_empty(each)]
        empty.sort(key=lambda each: (revision_of(each), _age(each)))
        return [Step("forget old revisions", [_delete(each) for each in empty[: max(0, len(empty) - limit)]])]

    def _say(self, severity: str, reason: str, message: str) -> None:
        events.record_many([Record(self.deployment, severity, reason, message, COMPONENT)])

    def _key(self) -> Key:
        return self.deployment["metadata"]["namespace"], self.deployment["metadata"]["name"]


def _is_empty(replica_set: Wire) -> bool:
    status, metadata = replica_set.get("status") or {}, replica_set["metadata"]
    seen = (status.get("observedGeneration") or 0) >= (metadata.get("generation") or 0)
    return (
        seen
        and not replica_set["spec"].get("replicas")
        and not status.get("replicas")
        and "deletionTimestamp" not in metadata
    )


# Writes. Each says None where there is nothing to do.


def _patch(kind: kinds.Kind, wire: Wire, change: Any) -> Patch:
    metadata = wire["metadata"]
    return Patch(kind, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])


def _resized(wire: Wire, replicas: int, limits: Bounds) -> Wire | None:
    annotations = wire["metadata"].get("annotations") or {}
    noted = {**annotations, DESIRED: str(limits.wanted), MOST: str(limits.most)}
    if wire["spec"].get("replicas", 1) == replicas and noted == annotations:
        return None
    return {
        **wire,
        "metadata": {**wire["metadata"], "annotations": noted},
        "spec": {**wire["spec"], "replicas": replicas},
    }


def _with_annotation(wire: Wire, name: str, value: str) -> Wire | None:
    annotations = wire["metadata"].get("annotations") or {}
    if annotations.get(name) == value:
        return None
    return {**wire, "metadata": {**wire["metadata"], "annotations": {**annotations, name: value}}}


def _brought_up_to_date(wire: Wire, deployment: Wire, revision: int, proven: str) -> Wire | None:
    """The newest ReplicaSet: its revision, the Deployment's annotations and minReadySeconds."""
    held = wire["metadata"].get("annotations") or {}
    own = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _OURS}
    annotations = {**held, **own, REVISION: str(revision), **({autorollback.PROVEN: proven} if proven else {})}
    if revision_of(wire) and revision_of(wire) != revision:
        before = held.get(HISTORY, "")
        annotations[HISTORY] = ",".join(filter(None, [*before.split(","), str(revision_of(wire))]))
    seconds = int(deployment["spec"].get("minReadySeconds") or 0)
    if annotations == held and int(wire["spec"].get("minReadySeconds") or 0) == seconds:
        return None
    return {
        **wire,
        "metadata": {**wire["metadata"], "annotations": annotations},
        "spec": {**wire["spec"], "minReadySeconds": seconds},
    }


def _with_collisions(wire: Wire, count: int) -> Wire | None:
    status = wire.get("status") or {}
    if int(status.get("collisionCount") or 0) >= count:
        return None
    return {**wire, "status": {**status, "collisionCount": count}}


def _delete(replica_set: Wire) -> Delete:
    metadata = replica_set["metadata"]
    options = DeleteOptions(
        preconditions=Preconditions(uid=metadata["uid"], resource_version=metadata["resourceVersion"]),
        propagation_policy="Background",
    )
    return Delete(kinds.REPLICA_SET, metadata["namespace"], metadata["name"], options)
