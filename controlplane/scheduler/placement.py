"""Placement: many pods onto many nodes in one pass, accounting in memory. Pure and deterministic.

Pods are placed in order of priority, then age; each goes to the best of the nodes that pass every filter, the first by
name where several are equally good. Nothing is ever taken back, so a shape that found no room finds none later in the same
pass; only one that lacks nothing but company may still find it, and is looked at again while others come. One that found none
may have room made for it (`preemption`): that room is set aside before less important pods are looked at, so that they cannot
take it while it is being made.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from controlplane.scheduler import filters, scoring
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.nodes import Floats, Mask, NodeTable
from controlplane.scheduler.preemption import Bound, Candidate, Preemption

PROMISED = "Preemption: {node} has been promised to it and pods of lower priority are ending there."


@dataclass(frozen=True)
class Placement:
    pod: Demand
    node: str | None
    reason: str = ""
    """Why there is no node: a sentence for people."""
    nominated: str = ""
    """The node on which room is being made."""
    victims: tuple[Candidate, ...] = ()
    """Who is to be ended for that."""


@dataclass
class _Fixed:
    """What is the same for all pods of equal constraints."""

    mask: Mask
    score: Floats


def _nobody() -> Bound:
    return Bound()


def place(pods: Iterable[Demand], nodes: NodeTable, bound: Callable[[], Bound] = _nobody) -> list[Placement]:
    """Decide on all pods. ``nodes`` accounts for them as it goes and has them all at the end. ``bound`` is asked, once, for
    whom preemption may choose when a pod finds no place."""
    run = _Pass(nodes, bound)
    ordered = sorted(pods, key=lambda pod: pod.order)
    decided = {id(pod): run.place(pod) for pod in ordered}
    lonely = [pod for pod in ordered if decided[id(pod)] is None]
    while lonely:
        for pod in lonely:
            decided[id(pod)] = run.place(pod)
        left = [pod for pod in lonely if decided[id(pod)] is None]
        if len(left) == len(lonely):
            break
        lonely = left
    return [decided[id(pod)] or run.give_up(pod) for pod in ordered]


class _Pass:
    def __init__(self, nodes: NodeTable, bound: Callable[[], Bound]) -> None:
        self._nodes = nodes
        self._bound = bound
        self._preemption: Preemption | None = None
        self._fixed: dict[Hashable, _Fixed] = {}
        self._failed: dict[Hashable, tuple[int, str]] = {}

    def place(self, pod: Demand) -> Placement | None:
        """None: it lacks nothing but company, which may come."""
        waits_for_company = bool(pod.wishes.near or pod.wishes.spreads)
        if not waits_for_company and pod.shape in self._failed:
            return self.give_up(pod)
        fixed = self._fixed_of(pod)
        allowed = filters.changing_mask(pod, self._nodes, fixed.mask)
        if not allowed.any():
            if waits_for_company and filters.would_fit_alone(pod, self._nodes, fixed.mask):
                return None
            return self.give_up(pod)
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

    def give_up(self, pod: Demand) -> Placement:
        """Say why it has no place, and make room for it where others may be ended for it."""
        reason = self._explained(pod)
        if self._preemption is None:
            self._preemption = Preemption(self._nodes, self._bound())
        decision = self._preemption.decide(pod, filters.lasting_mask(pod, self._nodes, self._fixed_of(pod).mask))
        if decision is None:
            return Placement(pod, None, reason)
        node = self._nodes.nodes[decision.node].name
        return Placement(pod, None, f"{reason} {PROMISED.format(node=node)}", node, decision.victims)

    def _explained(self, pod: Demand) -> str:
        """Pods of one shape share a sentence until something else was placed."""
        version, reason = self._failed.get(pod.shape, (-1, ""))
        if version != self._nodes.version:
            reason = filters.explain(pod, self._nodes)
            self._failed[pod.shape] = (self._nodes.version, reason)
        return reason
