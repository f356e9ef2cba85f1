"""Which other pods a pod wants near, apart, or evenly spread: affinity, anti-affinity and topology spread constraints. Pure.

A *place* is the nodes that share a value of one label, the topology key; a node without the label is in no place. `Company`
knows the pods on each node and counts those that a wish means, per node and per place; it is brought up to date as pods are
placed. Semantics are those of Kubernetes' InterPodAffinity and PodTopologySpread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schema.base import Wire
from schema.selectors import LabelSelector, Operator, Requirement

Integers = npt.NDArray[np.int64]
Labels = Mapping[str, str]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True)
class Term:
    """Pods, by label and namespace, and what is one place to them."""

    topology: str
    selector: LabelSelector
    namespaces: frozenset[str] = frozenset()
    namespace_selector: LabelSelector | None = None
    """Namespaces besides those named; None: no others."""

    def covers(self, namespace: str, labels: Labels, namespaces: Mapping[str, Labels]) -> bool:
        """``namespaces``: the labels of each."""
        here = namespace in self.namespaces or (
            self.namespace_selector is not None and self.namespace_selector.matches(namespaces.get(namespace, {}))
        )
        return here and self.selector.matches(labels)

    def __str__(self) -> str:
        return f"{self.pods} by {self.topology}"

    @property
    def pods(self) -> str:
        return ",".join(str(each) for each in self.selector.requirements) or "all pods"


@dataclass(frozen=True)
class Spread:
    """A topology spread constraint. ``term`` means the pods of its selector in the pod's own namespace."""

    term: Term
    max_skew: int
    hard: bool
    """DoNotSchedule."""
    min_places: int = 1
    honours_affinity: bool = True
    """Only nodes that the pod's node affinity allows count."""
    honours_taints: bool = False


@dataclass(frozen=True)
class Wishes:
    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    preferred: tuple[tuple[int, Term], ...] = ()
    """With their weights; negative ones want to be apart."""
    spreads: tuple[Spread, ...] = ()

    @property
    def any(self) -> bool:
        return bool(self.near or self.apart or self.preferred or self.spreads)


NONE = Wishes()


def parse(pod: Wire) -> Wishes:
    spec = pod["spec"]
    affinity, spreads = spec.get("affinity") or {}, spec.get("topologySpreadConstraints") or ()
    near, apart = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    if not (near or apart or spreads):
        return NONE
    meta = pod["metadata"]
    preferred = [(each["weight"], _term(each["podAffinityTerm"], meta)) for each in near.get(_PREFERRED) or ()]
    preferred += [(-each["weight"], _term(each["podAffinityTerm"], meta)) for each in apart.get(_PREFERRED) or ()]
    return Wishes(
        near=tuple(_term(each, meta) for each in near.get(_REQUIRED) or ()),
        apart=tuple(_term(each, meta) for each in apart.get(_REQUIRED) or ()),
        preferred=tuple(preferred),
        spreads=tuple(_spread(each, meta) for each in spreads),
    )


def _term(wire: Wire, meta: Wire) -> Term:
    named, selector = wire.get("namespaces") or (), wire.get("namespaceSelector")
    own = () if named or selector is not None else (meta.get("namespace", ""),)
    return Term(
        wire["topologyKey"],
        _selector(wire, meta),
        frozenset((*named, *own)),
        None if selector is None else LabelSelector.from_object(selector),
    )


def _selector(wire: Wire, meta: Wire) -> LabelSelector:
    """With the pod's own values of ``matchLabelKeys`` and ``mismatchLabelKeys``; keys that it lacks are passed over."""
    selector = LabelSelector.from_object(wire.get("labelSelector"))
    own = meta.get("labels") or {}
    more = [
        Requirement(key, operator, frozenset([own[key]]))
        for field, operator in (("matchLabelKeys", Operator.IN), ("mismatchLabelKeys", Operator.NOT_IN))
        for key in wire.get(field) or ()
        if key in own
    ]
    return LabelSelector((*selector.requirements, *more))


def _spread(wire: Wire, meta: Wire) -> Spread:
    return Spread(
        Term(wire["topologyKey"], _selector(wire, meta), frozenset([meta.get("namespace", "")])),
        wire["maxSkew"],
        wire["whenUnsatisfiable"] == "DoNotSchedule",
        wire.get("minDomains") or 1,
        wire.get("nodeAffinityPolicy") != "Ignore",
        wire.get("nodeTaintsPolicy") == "Honor",
    )


@dataclass(frozen=True)
class Member:
    """A pod that is on a node."""

    node: str
    namespace: str
    labels: Labels
    apart: tuple[Term, ...] = ()


class Company:
    """The pods on these nodes. Arrays have a number for each node, in the given order."""

    def __init__(
        self,
        nodes: Sequence[tuple[str, Labels]],
        members: Iterable[Member] = (),
        namespaces: Mapping[str, Labels] | None = None,
    ) -> None:
        self._nodes = nodes
        self._indices = {name: index for index, (name, _) in enumerate(nodes)}
        self._members = [each for each in members if each.node in self._indices]
        self.namespaces = namespaces or {}
        self._places: dict[str, Integers] = {}
        self._counts: dict[tuple[Term, ...], Integers] = {}
        self._apart: dict[Term, Integers] = {}
        for member in self._members:
            self._keep_apart(member)

    @property
    def is_choosy(self) -> bool:
        """Some pod here wants others to stay away."""
        return bool(self._apart)

    def _keep_apart(self, member: Member) -> None:
        for term in member.apart:
            self._apart.setdefault(term, self._zeros())[self._indices[member.node]] += 1

    def _zeros(self) -> Integers:
        return np.zeros(len(self._nodes), dtype=np.int64)

    def take(self, member: Member) -> None:
        """A pod has come."""
        self._members.append(member)
        self._keep_apart(member)
        for terms, counts in self._counts.items():
            if self._is_meant(terms, member):
                counts[self._indices[member.node]] += 1

    def _is_meant(self, terms: Iterable[Term], member: Member) -> bool:
        return all(term.covers(member.namespace, member.labels, self.namespaces) for term in terms)

    def places(self, key: str) -> Integers:
        """The place of each node, by number; -1: in none."""
        if key not in self._places:
            numbers: dict[str, int] = {}
            values = [labels.get(key) for _, labels in self._nodes]
            found = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
            self._places[key] = np.array(found, dtype=np.int64)
        return self._places[key]

    def meant(self, *terms: Term) -> Integers:
        """Pods on each node that all these terms mean."""
        if terms not in self._counts:
            counts = self._zeros()
            for member in self._members:
                if self._is_meant(terms, member):
                    counts[self._indices[member.node]] += 1
            self._counts[terms] = counts
        return self._counts[terms]

    def in_place(self, key: str, counts: Integers) -> Integers:
        """The sum over each node's place; 0 for a node in none."""
        places = self.places(key)
        inside = places >= 0
        sums = np.bincount(places[inside], weights=counts[inside], minlength=1).astype(np.int64)
        return np.where(inside, sums[places], 0)

    def unwelcome(self, namespace: str, labels: Labels) -> npt.NDArray[np.bool_]:
        """Nodes in whose place some pod wants such a pod to stay away."""
        mask: npt.NDArray[Any] = np.zeros(len(self._nodes), dtype=bool)
        for term, counts in self._apart.items():
            if term.covers(namespace, labels, self.namespaces):
                mask |= self.in_place(term.topology, counts) > 0
        return mask
