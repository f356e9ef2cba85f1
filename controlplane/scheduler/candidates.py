"""Reads what preemption may choose from: bound pods below a priority, and the disruption budgets that protect them."""

from __future__ import annotations

from collections.abc import Sequence

from controlplane.scheduler import demand
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.preemption import Bound, Candidate
from controlplane.store import objects
from schema.base import Wire


def read(wanted: Sequence[Demand]) -> Bound:
    """Two queries at most, and one where no bound pod is lower than any of the wanted."""
    highest = max((pod.priority for pod in wanted if pod.preempts), default=None)
    pods = objects.bound_pods_below(highest) if highest is not None else []
    by_node: dict[str, list[Candidate]] = {}
    for pod in pods:
        by_node.setdefault(pod["spec"]["nodeName"], []).append(_candidate(pod))
    return Bound(by_node)


def _candidate(pod: Wire) -> Candidate:
    read = demand.parse(pod)
    return Candidate(
        uid=read.uid,
        namespace=read.namespace,
        name=read.name,
        priority=read.priority,
        started=(pod.get("status") or {}).get("startTime") or read.created,
        amounts=read.amounts,
        ports=read.ports,
        ending="deletionTimestamp" in pod["metadata"],
    )
