"""Scores: which of the nodes that may take a pod should. Pure. Each score runs from 0 to 100, more is better."""

from __future__ import annotations

import numpy as np

from controlplane.scheduler import company_filters
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import Floats, Integers, NodeTable
from controlplane.scheduler.taints import count_unpreferred

LEAST_ALLOCATED_WEIGHT = 1.0
SPREAD_WEIGHT = 2.0
AFFINITY_WEIGHT = 2.0
TAINT_WEIGHT = 3.0

_SHARED_DIMENSIONS = 3
"""cpu, memory and pods decide how full a node is: the first columns of every table."""


def fixed_score(pod: Demand, nodes: NodeTable) -> Floats:
    """The part that depends on pod and node alone."""
    return AFFINITY_WEIGHT * preferred_affinity(pod, nodes) + TAINT_WEIGHT * taint_preference(pod, nodes)


def changing_score(pod: Demand, need: Integers, nodes: NodeTable) -> Floats:
    """The part that changes with each pod placed."""
    score = LEAST_ALLOCATED_WEIGHT * least_allocated(need, nodes)
    if pod.wishes.preferred or pod.wishes.spreads:
        score = score + AFFINITY_WEIGHT * company_filters.preference(pod, nodes)
    return score if pod.spread is None else score + SPREAD_WEIGHT * spread(pod, nodes)


def least_allocated(need: Integers, nodes: NodeTable) -> Floats:
    """How free a node would be with the pod on it: the mean over cpu, memory and pods.

    Counting pods makes those without requests spread too.
    """
    shares = nodes.shares(need)[:, :_SHARED_DIMENSIONS]
    score: Floats = 100.0 * (1.0 - np.minimum(shares, 1.0).sum(axis=1) / _SHARED_DIMENSIONS)
    return score


def spread(pod: Demand, nodes: NodeTable) -> Floats:
    """Fewest pods of the same owner, or the same labels, first."""
    counts = nodes.group(pod.spread)
    most = int(counts.max(initial=0))
    score: Floats = 100.0 * (1.0 - counts / max(most, 1))
    return score


def preferred_affinity(pod: Demand, nodes: NodeTable) -> Floats:
    """Sum of the weights of the preferences that a node meets, relative to the best node."""
    if not pod.preferred:
        return np.zeros(len(nodes))
    sums = (
        sum(weight for weight, term in pod.preferred if term.matches(node.name, node.labels)) for node in nodes.nodes
    )
    return _relative(np.fromiter(sums, dtype=np.float64, count=len(nodes)))


def taint_preference(pod: Demand, nodes: NodeTable) -> Floats:
    """Fewest PreferNoSchedule taints that the pod does not tolerate."""
    counts = (count_unpreferred(node.taints, pod.tolerations) if node.taints else 0 for node in nodes.nodes)
    return 100.0 - _relative(np.fromiter(counts, dtype=np.float64, count=len(nodes)))


def _relative(values: Floats) -> Floats:
    most = values.max(initial=0.0)
    return 100.0 * values / most if most > 0 else values
