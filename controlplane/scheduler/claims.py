"""What the claims of a pod ask of its node. Pure.

A bound claim is where its volume is. One that waits for its first consumer may go anywhere if its volume is still to be made;
where volumes are made by hand, one of those that fit must be reachable. What is decided for a claim holds for the next
pod that uses it, in the same pass too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from controlplane.scheduler.labels import Term, any_matches

Terms = tuple[Term, ...] | None
"""Alternatives of a volume's node affinity; None: it can be reached from every node."""


@dataclass(frozen=True)
class Candidate:
    """A free volume that would do."""

    volume: str
    terms: Terms = None


@dataclass(frozen=True)
class Claim:
    key: str
    """``namespace/name``."""
    problem: str = ""
    """Why no node will do before something else happens; empty where some may."""
    bound: bool = False
    terms: Terms = None
    """Where its volume is, once it has one."""
    candidates: tuple[Candidate, ...] | None = None
    """Best first; None where its volume is made on whichever node the pod gets."""
    one_pod: bool = False
    """ReadWriteOncePod: no second pod may use it."""

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]


@dataclass
class Decided:
    """What one pass has decided about claims without a volume."""

    nodes: dict[str, str] = field(default_factory=dict)
    """Node by claim, of every claim that a pod of this pass uses."""
    volumes: dict[str, str] = field(default_factory=dict)
    """Volume by claim, where one made by hand was chosen."""

    def take(self, claim: Claim, node: str, labels: Mapping[str, str]) -> None:
        self.nodes.setdefault(claim.key, node)
        if not claim.bound and claim.candidates is not None and claim.key not in self.volumes:
            chosen = self._candidate(claim, node, labels)
            if chosen is not None:
                self.volumes[claim.key] = chosen.volume

    def obstacle(self, claim: Claim, node: str, labels: Mapping[str, str]) -> str:
        """Why the claim forbids this node, as a phrase without a count; empty where it does not."""
        if claim.problem:
            return claim.problem
        if claim.one_pod and claim.key in self.nodes:
            return f"claim {claim.name} is ReadWriteOncePod and another pod uses it"
        if claim.bound:
            there = claim.terms is None or any_matches(claim.terms, node, labels)
            return "" if there else f"had volume node affinity conflict (claim {claim.name}: {where(claim.terms)})"
        if (held := self.nodes.get(claim.key, node)) != node:
            return f"had volume node affinity conflict (claim {claim.name}: its volume is on node {held})"
        if claim.candidates is not None and self._candidate(claim, node, labels) is None:
            return f"didn't find available persistent volumes to bind (claim {claim.name})"
        return ""

    def _candidate(self, claim: Claim, node: str, labels: Mapping[str, str]) -> Candidate | None:
        taken = {volume for key, volume in self.volumes.items() if key != claim.key}
        for one in claim.candidates or ():
            if one.volume not in taken and (one.terms is None or any_matches(one.terms, node, labels)):
                return one
        return None


def where(terms: Terms) -> str:
    """``its volume is on node a``, or the labels that it wants."""
    if terms is not None and len(terms) == 1 and len(terms[0].labels) == 1 and not terms[0].fields:
        only = terms[0].labels[0]
        if only.key == "kubernetes.io/hostname" and only.operator == "In":
            return f"its volume is on node {' or '.join(only.values)}"
    return f"its volume wants {' or '.join(str(term) for term in terms or ())}"
