"""StatefulSets: pods with names that stay, one of each ordinal and never two, each with its own claims.

A pod's name is its identity and the store has one object of a name: as long as the pod on a lost node exists, its ordinal
waits, until its agent has said that it is gone or somebody has deleted it by force.

Reads a StatefulSet, its pods, claims, revisions and their nodes. Writes: pods, claims and their owners, ControllerRevisions, the
status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from controlplane.controllers import ownership, pods, revisions
from controlplane.controllers.base import Key
from controlplane.controllers.configuration import decide as configuration
from controlplane.controllers.configuration import workload
from controlplane.controllers.configuration.workload import ConfiguredController
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import Claims
from controlplane.controllers.plan import Plan, Step, find
from controlplane.controllers.statefulsets import identity
from controlplane.controllers.statefulsets.decide import Decision, Replica, Wanted, decide
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, Create, Delete, Patch, Write
from schema import amounts, kinds
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import LabelSelector

COMPONENT = "statefulset-controller"
LOOK_AGAIN_SECONDS = 15.0


@dataclass(frozen=True)
class Surroundings:
    pods: Claims = field(default_factory=Claims)
    revisions: Claims = field(default_factory=Claims)
    claims: Mapping[str, Wire] = field(default_factory=dict)
    """Of the namespace, by name; only where there are claim templates."""
    lost_nodes: frozenset[str] = frozenset()
    """Nodes of its ending pods that do not answer."""
    around: configuration.Around = field(default_factory=configuration.Around)
    """Its ConfigMaps and Secrets, where it is rolled with them."""


class StatefulSetController(ConfiguredController[Surroundings]):
    name = "statefulset"
    kind = kinds.STATEFUL_SET

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind not in (kinds.POD, kinds.CONTROLLER_REVISION):
            return
        yield from ownership.owner_keys(change, self.kind)
        orphan = change.kind is kinds.POD and ownership.is_up_for_adoption(change)
        if orphan and (named := identity.parse(change.name)):  # its name says whose it may be
            yield change.namespace, named[0]

    def gather(self, obj: Wire) -> Surroundings:
        selector = LabelSelector.from_object(obj["spec"].get("selector"))
        named = [pod for pod in pods.owned_by(obj, selector) if identity.ordinal_of(pod, obj) is not None]
        own = ownership.claim(obj, selector, named)
        namespace = obj["metadata"]["namespace"]
        claims = []
        if obj["spec"].get("volumeClaimTemplates"):
            claims = objects.list_objects(kinds.PERSISTENT_VOLUME_CLAIM, namespace=namespace).items
        ending = {pod["spec"].get("nodeName", "") for pod in own.mine if pods.is_leaving(pod)}
        known = revisions.of(obj, selector)
        return Surroundings(
            own,
            known,
            {one["metadata"]["name"]: one for one in claims},
            frozenset(name for name in ending if name and _is_lost(name)),
            workload.look(obj, [revisions.template_of(each) for each in known.mine]),
        )

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        family = [*children.pods.writes(kinds.POD, obj), *children.revisions.writes(kinds.CONTROLLER_REVISION, obj)]
        if family:  # each of them wakes us again
            return Plan([Step("adopt and let go", family)], status=obj.get("status") or {})
        return configuration.decide(self.kind, obj, children.around).around(_Planning(obj, children, now).plan())


def _is_lost(node: str) -> bool:
    try:
        return find(objects.get(kinds.NODE, "", node), "Ready").get("status") != "True"
    except NotFound:
        return False


class _Planning:
    """One decision, with what it is made from at hand."""

    def __init__(self, owner: Wire, around: Surroundings, now: datetime) -> None:
        self.owner, self.around, self.now = owner, around, now
        self.min_ready = int(owner["spec"].get("minReadySeconds") or 0)
        self.history = revisions.look(owner, around.revisions.mine)
        self.by_name = {revisions.name_of(one): one for one in (*around.revisions.mine, self.history.update)}
        self.update = revisions.name_of(self.history.update)
        told = (owner.get("status") or {}).get("currentRevision") or ""
        self.current = told if told in self.by_name else self.update
        self.pods = {
            ordinal: pod for pod in around.pods.mine if (ordinal := identity.ordinal_of(pod, owner)) is not None
        }
        self.wanted = wanted_of(owner, current=self.current, update=self.update)
        self.replicas = {ordinal: self._replica(ordinal, pod) for ordinal, pod in self.pods.items()}

    def plan(self) -> Plan:
        made, owned, blocked = self._claims()
        decision = decide(self.wanted, self.replicas, blocked)
        steps = [
            Step("keep the revision", self.history.writes),
            Step(
                "claims",
                [*(Create(kinds.PERSISTENT_VOLUME_CLAIM, one) for one in self._needed(made, decision)), *owned],
            ),
            self._creations(decision),
            self._deletions(decision),
            Step("forget old revisions", self._surplus()),
        ]
        return Plan(
            [step for step in steps if step.writes],
            status=self._status(),
            outcome=self._outcome(decision),
        )

    # Looking

    def _replica(self, ordinal: int, pod: Wire) -> Replica:
        name = pod["metadata"]["name"]
        terminating, blocked = pods.is_leaving(pod), f"pod {name} is not available yet"
        node = pod["spec"].get("nodeName") or ""
        if terminating and node in self.around.lost_nodes:
            blocked = (
                f"pod {name} is on node {node}, which does not answer: {name} is not started elsewhere before the node "
                "says that it has ended, or somebody deletes the pod with --force"
            )
        elif terminating:
            blocked = f"pod {name} is ending"
        return Replica(
            ordinal,
            revision=(pod["metadata"].get("labels") or {}).get(revisions.POD_LABEL, ""),
            available=pods.is_active(pod) and pods.is_available(pod, self.min_ready, self.now),
            terminating=terminating,
            finished=pods.is_finished(pod),
            blocked=blocked,
        )

    def _claims(self) -> tuple[dict[int, list[Wire]], list[Write], dict[int, str]]:
        """Claims to make, owners to set, and ordinals whose claims are just being deleted."""
        made: dict[int, list[Wire]] = {}
        owned: list[Write] = []
        blocked: dict[int, str] = {}
        for ordinal in {*self.wanted.ordinals, *self.pods}:
            for claim in identity.claims(self.owner, ordinal):
                name = claim["metadata"]["name"]
                owners = self._owners(ordinal)
                present = self.around.claims.get(name)
                if present is None:
                    made.setdefault(ordinal, []).append(_with_owners(claim, owners, self.owner))
                elif pods.is_leaving(present):
                    blocked[ordinal] = f"claim {name} is being deleted: its pod waits until it is gone"
                elif _with_owners(present, owners, self.owner) != present:
                    change = partial(_with_owners, owners=owners, owner=self.owner)
                    key = (kinds.PERSISTENT_VOLUME_CLAIM, present["metadata"]["namespace"], name)
                    owned.append(Patch(*key, change, uid=present["metadata"]["uid"]))
        return made, owned, blocked

    def _owners(self, ordinal: int) -> list[Wire]:
        """Who takes the claims of this ordinal along."""
        with_set, with_scale = identity.retention(self.owner)
        pod = self.pods.get(ordinal)
        if ordinal not in self.wanted.ordinals and with_scale and pod is not None:
            return [{"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}]
        if with_set:
            metadata = self.owner["metadata"]
            return [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": metadata["name"], "uid": metadata["uid"]}]
        return []

    def _needed(self, made: Mapping[int, Sequence[Wire]], decision: Decision) -> list[Wire]:
        """Of pods that are made now, and of pods that have lost theirs."""
        return [one for ordinal in (*decision.create, *self.pods) for one in made.get(ordinal, ())]

    # Doing

    def _creations(self, decision: Decision) -> Step:
        writes, told = [], []
        for ordinal in decision.create:
            pod = identity.pod(self.owner, ordinal, self.by_name[self.wanted.revision_for(ordinal)])
            writes.append(Create(kinds.POD, pod))
            told.append(
                self._say("SuccessfulCreate", f"create Pod {pod['metadata']['name']} in StatefulSet {{}} successful")
            )
        return Step("create", writes, told=told)

    def _deletions(self, decision: Decision) -> Step:
        writes, told = [], []
        for ordinal in decision.delete:
            metadata = self.pods[ordinal]["metadata"]
            options = DeleteOptions(preconditions=Preconditions(uid=metadata["uid"]))
            writes.append(Delete(kinds.POD, metadata["namespace"], metadata["name"], options))
            told.append(self._say("SuccessfulDelete", f"delete Pod {metadata['name']} in StatefulSet {{}} successful"))
        return Step("delete", writes, told)

    def _say(self, reason: str, message: str) -> Record:
        return Record(self.owner, "Normal", reason, message.format(self.owner["metadata"]["name"]), COMPONENT)

    def _surplus(self) -> list[Write]:
        in_use = {self.current, self.update, *(one.revision for one in self.replicas.values())}
        return revisions.surplus(self.owner, self.around.revisions.mine, in_use)

    # Saying

    def _status(self) -> Wire:
        living = [one for one in self.replicas.values() if not one.terminating]
        wanted = [one for one in living if one.ordinal in self.wanted.ordinals]
        ready = sum(pods.is_active(pod) and pods.is_ready(pod) for pod in self.pods.values())
        available = sum(one.available for one in living)
        complete = (
            len(wanted) == len(self.replicas) == self.wanted.replicas
            and available == self.wanted.replicas
            and all(one.revision == self.update for one in wanted)
        )
        current = self.update if complete else self.current
        return {
            "replicas": len(self.pods),
            "readyReplicas": ready,
            "availableReplicas": available,
            "currentReplicas": sum(one.revision == current for one in living),
            "updatedReplicas": sum(one.revision == self.update for one in living),
            "currentRevision": current,
            "updateRevision": self.update,
            "collisionCount": 0,
        }

    def _outcome(self, decision: Decision) -> Wait | None:
        """Changes of pods wake us; a pod that has to stay ready for a while changes no more."""
        later = pods.next_available(self.pods.values(), self.min_ready, self.now)
        soon = [] if later is None else [later]
        if decision:
            doing = [f"making pod {one}" for one in decision.create] + [f"ending pod {one}" for one in decision.delete]
            return Wait(min([LOOK_AGAIN_SECONDS, *soon]), ", ".join(doing[:3]))
        return Wait(min([LOOK_AGAIN_SECONDS, *soon]), decision.waits) if decision.waits else None


def wanted_of(owner: Wire, *, current: str, update: str) -> Wanted:
    spec = owner["spec"]
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    unavailable = amounts.resolve(rolling.get("maxUnavailable", 1), replicas, round_up=False)
    return Wanted(
        replicas=replicas,
        start=int((spec.get("ordinals") or {}).get("start") or 0),
        ordered=spec.get("podManagementPolicy") != "Parallel",
        rolling=strategy.get("type") != "OnDelete",
        partition=int(rolling.get("partition") or 0),
        max_unavailable=max(unavailable, 1),
        current=current,
        update=update,
    )


def _with_owners(claim: Wire, owners: Sequence[Wire], owner: Wire) -> Wire:
    """The claim with these of our owners; those of others stay."""
    metadata = claim["metadata"]
    present = metadata.get("ownerReferences") or []
    kept = [one for one in present if not _is_ours(one, owner)]
    wanted = [*kept, *owners]
    if wanted == present:
        return claim
    without = {key: value for key, value in metadata.items() if key != "ownerReferences"}
    return {**claim, "metadata": {**without, **({"ownerReferences": wanted} if wanted else {})}}


def _is_ours(reference: Wire, owner: Wire) -> bool:
    named = identity.parse(str(reference.get("name")))
    own_pod = reference.get("kind") == "Pod" and named is not None and named[0] == owner["metadata"]["name"]
    return own_pod or bool(reference.get("uid") == owner["metadata"]["uid"])
