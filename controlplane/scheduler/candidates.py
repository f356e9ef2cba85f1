"""Reads what preemption may choose from: bound pods below a priority, and the disruption budgets that protect them."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.scheduler import demand
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.preemption import Bound, Candidate
from controlplane.store import eviction, objects
from schema import kinds
from schema.base import Wire


def read(wanted: Sequence[Demand]) -> Bound:
    """Two queries at most, one where no bound pod is lower than any of the wanted, none where none of them may push."""
    highest = max((pod.priority for pod in wanted if pod.preempts), default=None)
    pods = objects.bound_pods_below(highest) if highest is not None else []
    budgets = objects.list_objects(kinds.POD_DISRUPTION_BUDGET).items if pods else []
    by_node: dict[str, list[Candidate]] = {}
    for pod in pods:
        by_node.setdefault(pod["spec"]["nodeName"], []).append(_candidate(pod, budgets))
    allowed = {one["metadata"]["uid"]: (one.get("status") or {}).get("disruptionsAllowed", 0) for one in budgets}
    return Bound(by_node, allowed)


def _candidate(pod: Wire, budgets: Sequence[Wire]) -> Candidate:
    read = demand.parse(pod)
    return Candidate(
        uid=read.uid,
        namespace=read.namespace,
        name=read.name,
        priority=read.priority,
        started=(pod.get("status") or {}).get("startTime") or read.created,
        amounts=read.amounts,
        ports=read.ports,
        budgets=tuple(one["metadata"]["uid"] for one in budgets if _covers(one, pod)),
        ending="deletionTimestamp" in pod["metadata"],
    )


def _covers(budget: Wire, pod: Wire) -> bool:
    if budget["metadata"]["namespace"] != pod["metadata"]["namespace"]:
        return False
    return eviction.covers(budget["spec"], pod["metadata"].get("labels") or {})
