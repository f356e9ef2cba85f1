"""Placement: many pods onto many nodes in one pass, accounting in memory. Pure and deterministic.

Pods are placed in order of priority, then age; each goes to the best of the nodes that pass every filter, the first by
name where several are equally good. Nothing is ever taken back, so a shape that found no room finds none later in
the same pass.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from controlplane.scheduler import filters, scoring
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import Floats, Mask, NodeTable


@dataclass(frozen=True)
class Placement:
    pod: Demand
    node: str | None
    reason: str = ""
    """Why there is no node: a sentence for people."""


@dataclass
class _Fixed:
    """What is the same for all pods of equal constraints."""

    mask: Mask
    score: Floats


def place(pods: Iterable[Demand], nodes: NodeTable) -> list[Placement]:
    """Decide on all pods. ``nodes`` accounts for them as it goes and has them all at the end."""
    run = _Pass(nodes)
    return [run.place(pod) for pod in sorted(pods, key=lambda pod: pod.order)]


class _Pass:
    def __init__(self, nodes: NodeTable) -> None:
        self._nodes = nodes
        self._fixed: dict[Hashable, _Fixed] = {}
        self._failed: dict[Hashable, tuple[int, str]] = {}

    def place(self, pod: Demand) -> Placement:
        if pod.shape in self._failed:
            return self._unplaced(pod)
        fixed = self._fixed_of(pod)
        allowed = filters.changing_mask(pod, self._nodes, fixed.mask)
        if not allowed.any():
            return self._unplaced(pod)
        need = self._nodes.vector(pod)
        score = fixed.score + scoring.changing_score(pod, need, self._nodes)
        # Rounding keeps noise of floating point from deciding between nodes that are equally good.
        index = int(np.argmax(np.where(allowed, np.round(score, 6), -1.0)))
        self._nodes.take(index, pod, need)
        return Placement(pod, self._nodes.nodes[index].name)

    def _fixed_of(self, pod: Demand) -> _Fixed:
        known = self._fixed.get(pod.constraints)
        if known is None:
            known = _Fixed(filters.fixed_mask(pod, self._nodes), scoring.fixed_score(pod, self._nodes))
            self._fixed[pod.constraints] = known
        return known

    def _unplaced(self, pod: Demand) -> Placement:
        """Explain; pods of one shape share a sentence until something else was placed."""
        version, reason = self._failed.get(pod.shape, (-1, ""))
        if version != self._nodes.version:
            reason = filters.explain(pod, self._nodes)
            self._failed[pod.shape] = (self._nodes.version, reason)
        return Placement(pod, None, reason)
