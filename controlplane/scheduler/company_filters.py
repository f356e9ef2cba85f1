"""Filters and scores for the pods that a pod wants near, apart or evenly spread (`company`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controlplane.scheduler.company import Spread
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.labels import any_matches
from controlplane.scheduler.nodes import Floats, Integers, Mask, NodeTable
from controlplane.scheduler.taints import first_untolerated


class Near:
    """Required pod affinity. The first of its kind may go anywhere, or a group that wants its own company could never start."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(pod.wishes.near)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        company, terms = nodes.company, pod.wishes.near
        meant = company.meant(*terms)
        mask: Mask = np.ones(len(nodes), dtype=bool)
        own = all(term.covers(pod.namespace, pod.labels, company.namespaces) for term in terms)
        first = own and not meant.any()
        for term in terms:
            placed = company.places(term.topology) >= 0
            mask &= placed if first else company.in_place(term.topology, meant) > 0
        return mask

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        wanted = " and ".join(str(term) for term in pod.wishes.near)
        return [f"{len(failed)} node(s) didn't match pod affinity rules (wants to be near {wanted})"]


class Apart:
    """Required pod anti-affinity: the pod's own, and that of the pods that are there."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(pod.wishes.apart) or nodes.company.is_choosy

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return ~self._avoided(pod, nodes) & ~nodes.company.unwelcome(pod.namespace, pod.labels)

    @staticmethod
    def _avoided(pod: Demand, nodes: NodeTable) -> Mask:
        mask: Mask = np.zeros(len(nodes), dtype=bool)
        for term in pod.wishes.apart:
            mask |= nodes.company.in_place(term.topology, nodes.company.meant(term)) > 0
        return mask

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        avoided = self._avoided(pod, nodes)
        own = sum(bool(avoided[index]) for index in failed)
        unwanted = " and ".join(str(term) for term in pod.wishes.apart)
        phrases = (
            [f"{own} node(s) didn't match pod anti-affinity rules (wants to be apart from {unwanted})"] if own else []
        )
        if others := len(failed) - own:
            phrases.append(f"{others} node(s) didn't satisfy existing pods anti-affinity rules")
        return phrases


@dataclass(frozen=True)
class Balance:
    """One spread constraint on all nodes."""

    placed: Mask
    """The node is in a place."""
    skew: Integers
    """Of its place, if the pod came there."""

    def passes(self, constraint: Spread) -> Mask:
        return self.placed & (self.skew <= constraint.max_skew)


class Spreading:
    """Topology spread constraints that say DoNotSchedule."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return any(each.hard for each in pod.wishes.spreads)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        mask: Mask = np.ones(len(nodes), dtype=bool)
        for constraint in pod.wishes.spreads:
            if constraint.hard:
                mask &= balance(pod, nodes, constraint).passes(constraint)
        return mask

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        hard = [each for each in pod.wishes.spreads if each.hard]
        unplaced = sum(
            any(nodes.company.places(each.term.topology)[index] < 0 for each in hard) for index in map(int, failed)
        )
        wanted = " and ".join(f"{each.term}, at most {each.max_skew} more than elsewhere" for each in hard)
        said = "node(s) didn't match pod topology spread constraints"
        phrases = [f"{len(failed) - unplaced} {said} ({wanted})"] if len(failed) > unplaced else []
        if unplaced:
            phrases.append(f"{unplaced} {said} (missing required label)")
        return phrases


def balance(pod: Demand, nodes: NodeTable, constraint: Spread) -> Balance:
    """Only nodes count that have all topology keys of the pod's constraints of this hardness, and that its node affinity and
    tolerations allow, where the constraint honours them."""
    company = nodes.company
    counted = _eligible(pod, nodes, constraint)
    for other in pod.wishes.spreads:
        if other.hard == constraint.hard:
            counted &= company.places(other.term.topology) >= 0
    places = company.places(constraint.term.topology)
    sums = company.in_place(constraint.term.topology, np.where(counted, company.meant(constraint.term), 0))
    several = len(set(places[counted].tolist())) >= constraint.min_places
    least = int(sums[counted].min(initial=np.iinfo(np.int64).max)) if counted.any() and several else 0
    itself = constraint.term.covers(pod.namespace, pod.labels, company.namespaces)
    return Balance(places >= 0, sums + int(itself) - least)


def _eligible(pod: Demand, nodes: NodeTable, constraint: Spread) -> Mask:
    def counts(index: int) -> bool:
        node = nodes.nodes[index]
        if constraint.honours_taints and first_untolerated(node.taints, pod.tolerations) is not None:
            return False
        if not constraint.honours_affinity:
            return True
        chosen = all(each.holds(node.labels) for each in pod.selector)
        return chosen and (pod.required is None or any_matches(pod.required, node.name, node.labels))

    return np.fromiter((counts(index) for index in range(len(nodes))), dtype=bool, count=len(nodes))


def preference(pod: Demand, nodes: NodeTable) -> Floats:
    """0 to 100: preferred affinity and anti-affinity, and constraints that say ScheduleAnyway."""
    values: Floats = np.zeros(len(nodes))
    for weight, term in pod.wishes.preferred:
        values += weight * nodes.company.in_place(term.topology, nodes.company.meant(term))
    score = _between(values)
    soft = [each for each in pod.wishes.spreads if not each.hard]
    for constraint in soft:
        found = balance(pod, nodes, constraint)
        score += np.where(found.placed, 100.0 - _between(found.skew.astype(np.float64)), 0.0)
    return score / (1 + len(soft))


def _between(values: Floats) -> Floats:
    """From 0, the least, to 100, the most; all 0 where they are equal."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return 100.0 * (values - low) / (high - low) if high > low else np.zeros_like(values)
