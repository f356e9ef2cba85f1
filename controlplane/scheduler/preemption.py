"""Preemption: which pods of lower priority to end so that one that fits nowhere finds room. Pure.

On each node that a pod's fixed wishes allow, all lower pods are taken away in thought and as many as possible put back: those
that a disruption budget protects first, then the most important. What is left are that node's victims: fewer would not do.
The node is chosen that harms least: fewest budgets violated, then the lowest most important victim, the smallest sum of
priorities, the fewest victims, the youngest of the most important ones, the name (as Kubernetes).

Pods that are ending already count as room to come, so nobody is ended for what is on its way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from controlplane.scheduler.demand import Demand, HostPort
from controlplane.scheduler.nodes import Integers, Mask, NodeTable

_LOWEST = 2**31
"""Added to priorities before they are summed, so that many low victims weigh more than one."""


@dataclass(frozen=True)
class Candidate:
    """A bound pod that may be ended for a more important one, or is ending anyway."""

    uid: str
    namespace: str
    name: str
    priority: int
    started: str = ""
    """RFC 3339."""
    amounts: Mapping[str, int] = field(default_factory=dict)
    ports: tuple[HostPort, ...] = ()
    budgets: tuple[str, ...] = ()
    """Of the disruption budgets that it counts for."""
    ending: bool = False

    @property
    def importance(self) -> tuple[int, str, str, str]:
        """Sorts the most important first: higher priority, longer running."""
        return (-self.priority, self.started, self.namespace, self.name)


@dataclass(frozen=True)
class Bound:
    """What may be pushed out, by node, and how many more each disruption budget allows to go."""

    by_node: Mapping[str, Sequence[Candidate]] = field(default_factory=dict)
    allowed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    node: int
    victims: tuple[Candidate, ...]
    violations: int = 0

    @property
    def harm(self) -> tuple[int, int, int, int]:
        priorities = [victim.priority for victim in self.victims]
        highest = max(priorities, default=-_LOWEST)
        return (self.violations, highest, sum(each + _LOWEST for each in priorities), len(priorities))

    @property
    def youth(self) -> str:
        """When the oldest of the most important victims was started: later is better."""
        highest = max((victim.priority for victim in self.victims), default=0)
        return min((victim.started for victim in self.victims if victim.priority == highest), default="")


class Preemption:
    """For one pass of placement: remembers what it has decided."""

    def __init__(self, nodes: NodeTable, bound: Bound) -> None:
        self._nodes = nodes
        self._bound = bound
        self._allowed = Counter(bound.allowed)
        self._ending = {each.uid for pods in bound.by_node.values() for each in pods if each.ending}
        self._hopeless: set[Hashable] = set()

    def decide(self, pod: Demand, allowed: Mask) -> Decision | None:
        """Where to make room for a pod that fits nowhere, among the allowed nodes; None: nowhere. The node's room is
        set aside for it and its victims count as ending from now on."""
        if not pod.preempts or (pod.shape, pod.priority) in self._hopeless:
            return None
        decisions = [each for index in np.flatnonzero(allowed) if (each := self._on(int(index), pod)) is not None]
        if not decisions:
            self._hopeless.add((pod.shape, pod.priority))
            return None
        chosen = self._best(pod, decisions)
        for victim in chosen.victims:
            self._ending.add(victim.uid)
            self._allowed.subtract(victim.budgets)
        self._nodes.take(chosen.node, pod, self._nodes.vector(pod))
        return chosen

    def _best(self, pod: Demand, decisions: Sequence[Decision]) -> Decision:
        least = min(each.harm for each in decisions)
        equal = [each for each in decisions if each.harm == least]
        promised = [each for each in equal if self._nodes.nodes[each.node].name == pod.nominated]
        youngest = max(each.youth for each in equal)
        return next(iter(promised), next(each for each in equal if each.youth == youngest))

    def _on(self, index: int, pod: Demand) -> Decision | None:
        """The fewest that must go from this node; None where not even all would do."""
        here = self._bound.by_node.get(self._nodes.nodes[index].name, ())
        ending = [each for each in here if each.uid in self._ending]
        lower = [each for each in here if each.priority < pod.priority and each.uid not in self._ending]
        room = _Room(self._nodes, index, pod)
        for each in (*ending, *lower):
            room.without(each)
        if not room.fits():
            return None
        protected = self._protected(sorted(lower, key=lambda each: each.importance))
        victims = []
        for each in sorted(lower, key=lambda each: (each.uid not in protected, each.importance)):
            room.again_with(each)
            if not room.fits():
                room.without(each)
                victims.append(each)
        return Decision(index, tuple(victims), sum(1 for each in victims if each.uid in protected))

    def _protected(self, ordered: Sequence[Candidate]) -> set[str]:
        """Those whose end would violate a budget, if all went in this order."""
        left = Counter(self._allowed)
        found = set()
        for each in ordered:
            left.subtract(each.budgets)
            if any(left[budget] < 0 for budget in each.budgets):
                found.add(each.uid)
        return found


class _Room:
    """What one node would have free if some of its pods were gone."""

    def __init__(self, nodes: NodeTable, index: int, pod: Demand) -> None:
        self._dimensions = nodes.dimensions
        self._need = nodes.vector(pod)
        self._free: Integers = nodes.free[index].copy()
        self._taken = Counter(nodes.ports[index])
        self._ports = pod.ports

    def without(self, each: Candidate) -> None:
        self._free += self._vector(each)
        self._taken.subtract(each.ports)

    def again_with(self, each: Candidate) -> None:
        self._free -= self._vector(each)
        self._taken.update(each.ports)

    def fits(self) -> bool:
        if not bool(((self._free >= self._need) | (self._need == 0)).all()):
            return False
        taken = [port for port, count in self._taken.items() if count > 0]
        return not any(port.clashes(each) for port in self._ports for each in taken)

    def _vector(self, each: Candidate) -> Integers:
        return np.array([each.amounts.get(name, 0) for name in self._dimensions], dtype=np.int64)
