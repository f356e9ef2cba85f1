"""DaemonSets: one pod on each node that the template allows, on new nodes at once.

Reads a DaemonSet, its pods and revisions, all nodes. Writes: pods, ControllerRevisions, the status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controlplane.controllers import ownership, pods, revisions
from controlplane.controllers.base import DONE, Key, Verdict
from controlplane.controllers.configuration import decide as configuration
from controlplane.controllers.configuration import workload
from controlplane.controllers.configuration.workload import ConfiguredController
from controlplane.controllers.daemonsets import placing
from controlplane.controllers.daemonsets.decide import (
    DaemonPod,
    Decision,
    Fate,
    Strategy,
    decide,
    is_available,
)
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.ownership import Claims
from controlplane.controllers.plan import Plan, Step, find
from controlplane.scheduler import wakeups
from controlplane.store import objects
from controlplane.store.objects import ChangeRecord, ChangeType, Create, Delete, Write
from schema import amounts, kinds, meta
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import LabelSelector

COMPONENT = "daemonset-controller"
LOOK_AGAIN_SECONDS = 15.0
FIRST_BACK_OFF_SECONDS = 1.0
LONGEST_BACK_OFF_SECONDS = 300.0
STEADY = timedelta(minutes=10)
"""A pod that lived so long before it failed is the first failure again."""
_EVERY = ""
"""The name that stands for all DaemonSets, or all of a namespace: who sees a change does not know them."""


@dataclass(frozen=True)
class Surroundings:
    pods: Claims = field(default_factory=Claims)
    revisions: Claims = field(default_factory=Claims)
    nodes: Sequence[Wire] = ()
    around: configuration.Around = field(default_factory=configuration.Around)
    """Its ConfigMaps and Secrets, where it is rolled with them."""


class DaemonSetController(ConfiguredController[Surroundings]):
    name = "daemonset"
    kind = kinds.DAEMON_SET

    def __init__(self) -> None:
        super().__init__()
        self._nodes = wakeups.Nodes()

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind in (kinds.POD, kinds.CONTROLLER_REVISION):
            yield from ownership.owner_keys(change, self.kind)
            if change.kind is kinds.POD and ownership.is_up_for_adoption(change):
                yield change.namespace, _EVERY
        elif change.kind is kinds.NODE:
            gone = change.type is ChangeType.DELETED
            if self._nodes.forget(change.uid) if gone else self._nodes.differs(change.uid, change.object):
                yield "", _EVERY

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if name != _EVERY:
            return super().reconcile(namespace, name)
        soonest = DONE
        for key in list(self.all_keys()):
            if namespace not in ("", key[0]):
                continue
            verdict = super().reconcile(*key)
            if verdict.again_after is not None and (
                soonest.again_after is None or verdict.again_after < soonest.again_after
            ):
                soonest = verdict
        return soonest

    def gather(self, obj: Wire) -> Surroundings:
        selector = LabelSelector.from_object(obj["spec"].get("selector"))
        known = revisions.of(obj, selector)
        return Surroundings(
            ownership.claim(obj, selector, pods.owned_by(obj, selector)),
            known,
            objects.list_objects(kinds.NODE).items,
            workload.look(obj, [revisions.template_of(each) for each in known.mine]),
        )

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        family = [*children.pods.writes(kinds.POD, obj), *children.revisions.writes(kinds.CONTROLLER_REVISION, obj)]
        if family:  # each of them wakes us again
            return Plan([Step("adopt and let go", family)], status=obj.get("status") or {})
        return configuration.decide(self.kind, obj, children.around).around(_Planning(obj, children, now).plan())


class _Planning:
    """One decision, with what it is made from at hand."""

    def __init__(self, owner: Wire, around: Surroundings, now: datetime) -> None:
        self.owner, self.around, self.now = owner, around, now
        self.min_ready = int(owner["spec"].get("minReadySeconds") or 0)
        self.history = revisions.look(owner, around.revisions.mine)
        self.update = revisions.hash_of(self.history.update)
        template = owner["spec"].get("template") or {}
        self.fates = {node["metadata"]["name"]: placing.fate(node, template) for node in around.nodes}
        self.by_name = {pod["metadata"]["name"]: pod for pod in around.pods.mine}
        self.pods: dict[str, list[DaemonPod]] = {}
        for pod in around.pods.mine:
            self.pods.setdefault(placing.node_of(pod), []).append(self._pod(pod))

    def plan(self) -> Plan:
        strategy = strategy_of(self.owner, sum(fate.run for fate in self.fates.values()))
        decision = decide(self.fates, self.pods, strategy)
        steps = [
            Step("keep the revision", self.history.writes),
            self._deletions(decision),
            self._creations(decision),
            Step("forget old revisions", self._surplus()),
        ]
        return Plan(
            [step for step in steps if step.writes],
            status=self.status(),
            outcome=self._outcome(decision),
        )

    def _pod(self, pod: Wire) -> DaemonPod:
        failed = pods.is_finished(pod)
        return DaemonPod(
            pod["metadata"]["name"],
            updated=_hash(pod) == self.update,
            available=pods.is_active(pod) and pods.is_available(pod, self.min_ready, self.now),
            terminating=pods.is_leaving(pod),
            failed=failed,
            retry_in=retry_in(pod, self.now) if failed else 0.0,
            created=pod["metadata"].get("creationTimestamp") or "",
        )

    def _creations(self, decision: Decision) -> Step:
        writes, told = [], []
        for node in decision.create:
            failures = max((failures_with(self.by_name[one.name]) for one in self.pods.get(node, ())), default=0)
            pod = placing.pod(self.owner, self.history.update, node, failures=failures)
            writes.append(Create(kinds.POD, pod))
            told.append(self._say("SuccessfulCreate", f"Created pod: {pod['metadata']['name']}"))
        return Step("create", writes, told=told)

    def _deletions(self, decision: Decision) -> Step:
        writes, told = [], []
        for name in dict.fromkeys(decision.delete):
            metadata = self.by_name[name]["metadata"]
            options = DeleteOptions(preconditions=Preconditions(uid=metadata["uid"]))
            writes.append(Delete(kinds.POD, metadata["namespace"], name, options))
            told.append(self._say("SuccessfulDelete", f"Deleted pod: {name}"))
        return Step("delete", writes, told)

    def _say(self, reason: str, message: str) -> Record:
        return Record(self.owner, "Normal", reason, message, COMPONENT)

    def _surplus(self) -> list[Write]:
        hashes = {self.update, *(_hash(pod) for pod in self.around.pods.mine)}
        in_use = {revisions.name_of(one) for one in self.around.revisions.mine if revisions.hash_of(one) in hashes}
        return revisions.surplus(self.owner, self.around.revisions.mine, in_use)

    def status(self) -> Wire:
        running = {node: self.pods.get(node, ()) for node, fate in self.fates.items() if fate.run}
        ready = {
            one.name
            for group in running.values()
            for one in group
            if one.lives and pods.is_ready(self.by_name[one.name])
        }
        available = sum(is_available(group) for group in running.values())
        return {
            "desiredNumberScheduled": len(running),
            "currentNumberScheduled": sum(bool(group) for group in running.values()),
            "numberMisscheduled": _misplaced(self.fates, self.pods),
            "numberReady": sum(any(one.name in ready for one in group) for group in running.values()),
            "updatedNumberScheduled": sum(any(one.updated for one in group) for group in running.values()),
            "numberAvailable": available,
            "numberUnavailable": len(running) - available,
            "collisionCount": 0,
        }

    def _outcome(self, decision: Decision) -> Wait | None:
        """Changes of pods and nodes wake us; time does not."""
        later = pods.next_available(self.around.pods.mine, self.min_ready, self.now)
        soon = [] if later is None else [later]
        if decision.retry_in is not None:
            return Wait(min([decision.retry_in, *soon]), "a failed pod is replaced when its back-off is over")
        if decision.create or decision.delete:
            message = f"making {len(decision.create)} and ending {len(set(decision.delete))} pods"
            return Wait(min([LOOK_AGAIN_SECONDS, *soon]), message)
        missing = [node for node, fate in self.fates.items() if fate.run and not is_available(self.pods.get(node, ()))]
        if missing:
            message = f"{len(missing)} node(s) have no available pod: {', '.join(sorted(missing)[:3])}"
            return Wait(min([LOOK_AGAIN_SECONDS, *soon]), message)
        return Wait(min(soon), "pods have to stay ready") if soon else None


def _hash(pod: Wire) -> str:
    return str((pod["metadata"].get("labels") or {}).get(revisions.POD_LABEL, ""))


def _misplaced(fates: Mapping[str, Fate], found: Mapping[str, Sequence[DaemonPod]]) -> int:
    nowhere = Fate(run=False)
    return sum(bool(group) and not fates.get(node, nowhere).run for node, group in found.items() if node)


def strategy_of(owner: Wire, desired: int) -> Strategy:
    strategy = owner["spec"].get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    surge = amounts.resolve(rolling.get("maxSurge", 0), desired, round_up=True)
    unavailable = amounts.resolve(rolling.get("maxUnavailable", 1), desired, round_up=True)
    if not surge and not unavailable:
        unavailable = 1  # a percentage of nothing: it would never move
    return Strategy(strategy.get("type") != "OnDelete", unavailable, surge)


# Back-off


def _failed_at(pod: Wire) -> datetime:
    told = find(pod, "Ready").get("lastTransitionTime") or pod["metadata"].get("creationTimestamp")
    return meta.parse_time(told) if told else meta.now()


def failures_with(pod: Wire) -> int:
    """How many pods have failed on its node in a row, this one too; 0 where it has not failed."""
    if not pods.is_finished(pod):
        return 0
    created = pod["metadata"].get("creationTimestamp")
    if created and _failed_at(pod) - meta.parse_time(created) > STEADY:
        return 1
    before = (pod["metadata"].get("annotations") or {}).get(placing.FAILURES, "0")
    return (int(before) if before.isdecimal() else 0) + 1


def retry_in(pod: Wire, now: datetime) -> float:
    """Seconds until a failed pod may be replaced."""
    exponent = min(failures_with(pod) - 1, 20)
    delay = min(FIRST_BACK_OFF_SECONDS * 2.0**exponent, LONGEST_BACK_OFF_SECONDS)
    return max((_failed_at(pod) + timedelta(seconds=delay) - now).total_seconds(), 0.0)
