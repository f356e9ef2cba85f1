"""PodDisruptionBudgets: how many pods may be evicted.

Reads budgets, the pods they select and, where the budget is a share, how many the pods' owners want. Writes the status, and only
onto the budget that it read: an eviction (`store.eviction`) takes from the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.controllers.seen import Seen
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import amounts, kinds
from schema.base import Wire
from schema.selectors import LabelSelector

COMPONENT = "controllermanager"
_FINISHED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Group:
    """The pods of a budget, and for each owner's uid how many it wants; None where it does not say."""

    pods: Sequence[Wire] = ()
    wanted: Mapping[str, int | None] = field(default_factory=dict)
    roots: Mapping[str, str] = field(default_factory=dict)
    """From a pod's uid to that of the owner that says how many."""


class PodDisruptionBudgetController(Controller[Group]):
    name = "poddisruptionbudget"
    kind = kinds.POD_DISRUPTION_BUDGET
    swaps = True

    def __init__(self) -> None:
        self._seen = Seen()

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        """A budget's own key; the key without a name is all budgets of a namespace: who sees a pod does not know them."""
        if change.kind is kinds.POD:
            if self._matters(change):
                yield change.namespace, ""
        elif "scale" in change.kind.subresources:
            yield change.namespace, ""
        else:
            yield from super().keys_for(change)

    def _matters(self, change: ChangeRecord) -> bool:
        if change.type is ChangeType.DELETED:
            self._seen.forget(change.uid)
            return True
        metadata = change.object["metadata"]
        labels = frozenset((metadata.get("labels") or {}).items())
        return self._seen.differs(change.uid, (labels, _is_healthy(change.object), change.fields["status.phase"]))

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if name:
            return super().reconcile(namespace, name)
        for budget in objects.list_objects(self.kind, namespace=namespace).items:
            super().reconcile(namespace, budget["metadata"]["name"])
        return DONE

    def gather(self, obj: Wire) -> Group:
        selector = LabelSelector.from_object(obj["spec"].get("selector"))
        pods = objects.list_objects(kinds.POD, namespace=obj["metadata"]["namespace"], labels=selector).items
        pods = [pod for pod in pods if selector.matches(pod["metadata"].get("labels"))]
        if not _asks_owners(obj["spec"]):
            return Group(pods)
        roots: dict[str, str] = {}
        wanted: dict[str, int | None] = {}
        known: dict[str, Wire | None] = {}
        for pod in pods:
            root = _root(pod, known)
            if root is not None:
                uid = root["metadata"]["uid"]
                roots[pod["metadata"]["uid"]] = uid
                wanted[uid] = (root.get("spec") or {}).get("replicas")
        return Group(pods, wanted, roots)

    def plan(self, obj: Wire, children: Group, now: datetime) -> Plan:
        return plan(obj, children)

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        return ()  # DisruptionAllowed says it all


def plan(budget: Wire, group: Group) -> Plan:
    """Pure."""
    spec = budget["spec"]
    counted = [pod for pod in group.pods if (pod.get("status") or {}).get("phase") not in _FINISHED]
    healthy = sum(1 for pod in counted if _is_healthy(pod))
    fault = _fault(spec, counted, group)
    if fault:
        told = Condition("DisruptionAllowed", "False", "SyncFailed", fault)
        status = {"disruptionsAllowed": 0, "currentHealthy": healthy, "desiredHealthy": 0, "expectedPods": 0}
        record = Record(
            budget, "Warning", "CalculateExpectedPodCountFailed", f"Failed to calculate: {fault}", COMPONENT
        )
        news = find(budget, "DisruptionAllowed").get("message") != fault
        return Plan([Step("tell", events=[record])] if news else [], [told], status)
    expected = _expected(spec, counted, group)
    desired = _desired(spec, expected)
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    told = (
        Condition("DisruptionAllowed", "True", "SufficientPods")
        if allowed
        else Condition("DisruptionAllowed", "False", "InsufficientPods")
    )
    status = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }
    return Plan(conditions=[told], status=status)


def _is_healthy(pod: Wire) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and find(pod, "Ready").get("status") == "True"


def _asks_owners(spec: Wire) -> bool:
    """A number of pods that must be there can be counted; what may be missing depends on how many there should be."""
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def _fault(spec: Wire, pods: Sequence[Wire], group: Group) -> str:
    """Why it cannot be said how many pods there should be; empty if it can."""
    if not _asks_owners(spec):
        return ""
    for pod in pods:
        owner = _owner(pod["metadata"])
        if owner is None:
            continue  # Kubernetes leaves it out as well
        root = group.roots.get(pod["metadata"]["uid"])
        if root is None or group.wanted.get(root) is None:
            name = f"{owner['kind']} {owner['name']}"
            return f"{name}, which owns pod {pod['metadata']['name']}, does not say how many there should be"
    return ""


def _expected(spec: Wire, pods: Sequence[Wire], group: Group) -> int:
    if not _asks_owners(spec):
        return len(pods)
    roots = {group.roots[pod["metadata"]["uid"]] for pod in pods if pod["metadata"]["uid"] in group.roots}
    return sum(group.wanted.get(root) or 0 for root in roots)


def _desired(spec: Wire, expected: int) -> int:
    if spec.get("maxUnavailable") is not None:
        return max(0, expected - amounts.resolve(spec["maxUnavailable"], expected, round_up=True))
    if spec.get("minAvailable") is not None:
        return amounts.resolve(spec["minAvailable"], expected, round_up=True)
    return 1 if expected else 0  # neither is given: Kubernetes' default


def _owner(metadata: Wire) -> Wire | None:
    return next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), None)


def _root(obj: Wire, known: dict[str, Wire | None]) -> Wire | None:
    """The topmost controlling owner that is there; ``known`` spares asking twice."""
    found: Wire | None = None
    current = obj
    while (owner := _owner(current["metadata"])) is not None:
        if owner["uid"] not in known:
            known[owner["uid"]] = _read(current["metadata"].get("namespace", ""), owner)
        above = known[owner["uid"]]
        if above is None:
            return found
        found = current = above
    return found


def _read(namespace: str, owner: Wire) -> Wire | None:
    kind = kinds.by_kind(owner["apiVersion"], owner["kind"])
    if kind is None:
        return None
    try:
        found = objects.get(kind, namespace, owner["name"])
    except NotFound:
        return None
    return found if found["metadata"]["uid"] == owner["uid"] else None
