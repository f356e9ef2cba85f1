"""Filters: which nodes may take a pod at all, and in a sentence why the others may not. Pure.

A filter *applies* to a pod or not, *passes* nodes or not (one mask over all of them), and *explains* the nodes it
failed, Kubernetes' words first, amounts and names after. `FIXED` filters depend on pod and node alone, so one answer
serves all pods of the same constraints; `CHANGING` ones depend on what has been placed so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np

from controlplane.scheduler import nodes as node_columns
from controlplane.scheduler.company_filters import Apart, Near, Spreading
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.labels import any_matches
from controlplane.scheduler.nodes import Mask, Node, NodeTable
from controlplane.scheduler.taints import UNSCHEDULABLE, Taint, first_untolerated, tolerated
from schema import quantity

NAMED_NODES = 3
"""How many nodes a sentence names before it sums up the rest."""


class Filter(Protocol):
    def applies(self, pod: Demand, nodes: NodeTable) -> bool: ...

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask: ...

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        """Phrases for the nodes of these indices, each beginning with its count: ``2 node(s) were unschedulable``."""


def _mask(nodes: NodeTable, test: Callable[[Node], bool]) -> Mask:
    return np.fromiter((test(node) for node in nodes.nodes), dtype=bool, count=len(nodes))


class Cordon:
    """``spec.unschedulable``, unless the pod tolerates the taint that stands for it."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(nodes.cordoned.any()) and not tolerated(Taint(UNSCHEDULABLE), pod.tolerations)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return ~nodes.cordoned

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        return [f"{len(failed)} node(s) were unschedulable (cordoned: {_names(nodes, failed)})"]


class Readiness:
    """The Ready condition, unless the pod tolerates not-ready or unreachable nodes."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(nodes.unready.any())

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return _mask(nodes, lambda node: node.ready == "True" or tolerated(node_columns.away(node), pod.tolerations))

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        return [f"{len(failed)} node(s) were not ready ({_names(nodes, failed)})"]


class Affinity:
    """nodeSelector and required node affinity."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(pod.selector) or pod.required is not None

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return _mask(nodes, lambda node: self._matches(pod, node))

    @staticmethod
    def _matches(pod: Demand, node: Node) -> bool:
        if not all(each.holds(node.labels) for each in pod.selector):
            return False
        return pod.required is None or any_matches(pod.required, node.name, node.labels)

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        wishes = [",".join(str(each) for each in pod.selector)] if pod.selector else []
        if pod.required is not None:
            wishes.append(" or ".join(str(term) for term in pod.required) or "an affinity that matches nothing")
        return [f"{len(failed)} node(s) didn't match Pod's node affinity/selector (wants {' and '.join(wishes)})"]


class Taints:
    """NoSchedule and NoExecute taints that the pod does not tolerate."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return any(node.taints for node in nodes.nodes)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return _mask(nodes, lambda node: not node.taints or first_untolerated(node.taints, pod.tolerations) is None)

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        counts = Counter(str(first_untolerated(nodes.nodes[index].taints, pod.tolerations)) for index in failed)
        return [f"{count} node(s) had untolerated taint {taint}" for taint, count in sorted(counts.items())]


class Ports:
    """Host ports, by protocol and address."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(pod.ports)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        free = (not taken or not self._clashes(pod, taken) for taken in nodes.ports)
        return np.fromiter(free, dtype=bool, count=len(nodes))

    @staticmethod
    def _clashes(pod: Demand, taken: Sequence[object]) -> list[str]:
        return [str(port) for port in pod.ports if any(port.clashes(each) for each in taken)]  # type: ignore[arg-type]

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        taken = (f"{', '.join(self._clashes(pod, nodes.ports[i]))} in use on {nodes.nodes[i].name}" for i in failed)
        return [f"{len(failed)} node(s) didn't have free ports for the requested pod ports ({_shortened(taken)})"]


class Volumes:
    """The pod follows its data: where the volumes of its claims are, or may be made."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return bool(pod.claims)

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        return _mask(nodes, lambda node: not self._obstacles(pod, nodes, node))

    @staticmethod
    def _obstacles(pod: Demand, nodes: NodeTable, node: Node) -> list[str]:
        found = (nodes.claims.obstacle(claim, node.name, node.labels) for claim in pod.claims)
        return [each for each in found if each]

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        problems = sorted({claim.problem for claim in pod.claims if claim.problem})
        if problems:  # no node will do
            return problems
        counts = Counter(self._obstacles(pod, nodes, nodes.nodes[index])[0] for index in failed)
        return [f"{count} node(s) {phrase}" for phrase, count in sorted(counts.items())]


class Resources:
    """Requests against allocatable minus what is bound. What is not asked for cannot fail, even on a full node."""

    def applies(self, pod: Demand, nodes: NodeTable) -> bool:
        return True

    def passes(self, pod: Demand, nodes: NodeTable) -> Mask:
        need = nodes.vector(pod)
        fits: Mask = ((nodes.free >= need) | (need == 0)).all(axis=1)
        return fits

    def explain(self, pod: Demand, nodes: NodeTable, failed: Sequence[int]) -> list[str]:
        need, free = nodes.vector(pod), nodes.free
        phrases = []
        for column, name in enumerate(nodes.dimensions):
            short = [index for index in failed if need[column] and free[index, column] < need[column]]
            if short:
                phrases.append(_shortage(nodes, column, name, int(need[column]), short))
        return phrases


def _shortage(nodes: NodeTable, column: int, name: str, need: int, short: Sequence[int]) -> str:
    words = "Too many pods" if name == "pods" else f"Insufficient {name}"
    amounts = nodes.free[short, column]
    listed = [
        f"{amount(name, max(int(free), 0))} free on {nodes.nodes[index].name}"
        for index, free in zip(short[:NAMED_NODES], amounts, strict=False)
    ]
    if len(short) > NAMED_NODES:
        listed.append(f"at most {amount(name, max(int(amounts.max()), 0))} on any of them")
    return f"{len(short)} {words} (needs {amount(name, need)}, {', '.join(listed)})"


def amount(name: str, value: int) -> str:
    """As a manifest would say it: ``1500m``, ``2``, ``512Mi``."""
    if name == "cpu":
        return f"{value}m" if value % 1000 else str(value // 1000)
    return quantity.format_bytes(value) if name in ("memory", "ephemeral-storage") else str(value)


def _shortened(texts: Iterable[str]) -> str:
    listed = list(texts)
    rest = len(listed) - NAMED_NODES
    return ", ".join(listed[:NAMED_NODES]) + (f" and {rest} more" if rest > 0 else "")


def _names(nodes: NodeTable, indices: Sequence[int]) -> str:
    return _shortened(nodes.nodes[index].name for index in indices)


FIXED: tuple[Filter, ...] = (Cordon(), Readiness(), Affinity(), Taints())
COMPANY: tuple[Filter, ...] = (Near(), Apart(), Spreading())
CHANGING: tuple[Filter, ...] = (Volumes(), *COMPANY, Ports(), Resources())


def fixed_mask(pod: Demand, nodes: NodeTable) -> Mask:
    """Nodes that this pod's fixed wishes allow."""
    return _combined(FIXED, pod, nodes, np.ones(len(nodes), dtype=bool))


def changing_mask(pod: Demand, nodes: NodeTable, allowed: Mask) -> Mask:
    return _combined(CHANGING, pod, nodes, allowed)


def lasting_mask(pod: Demand, nodes: NodeTable, allowed: Mask) -> Mask:
    """Of the allowed nodes, those that no other pod's end would be needed for: its data is there, or may be, and the company
    is what it wants."""
    return _combined((Volumes(), *COMPANY), pod, nodes, allowed)


def would_fit_alone(pod: Demand, nodes: NodeTable, allowed: Mask) -> bool:
    """But for its company, there is a node for it."""
    return bool(_combined((Volumes(), Ports(), Resources()), pod, nodes, allowed).any())


def _combined(filters: Iterable[Filter], pod: Demand, nodes: NodeTable, mask: Mask) -> Mask:
    for each in filters:
        if each.applies(pod, nodes):
            mask = mask & each.passes(pod, nodes)
    return mask


def explain(pod: Demand, nodes: NodeTable) -> str:
    """Why no node can take this pod. Each node is counted by the first filter that it fails."""
    total = len(nodes)
    if not total:
        return "0/0 nodes are available: no node has joined the cluster."
    phrases: list[str] = []
    left = np.ones(total, dtype=bool)
    for each in (*FIXED, *CHANGING):
        if not each.applies(pod, nodes):
            continue
        passed = each.passes(pod, nodes)
        failed = np.flatnonzero(left & ~passed)
        if failed.size:
            phrases += each.explain(pod, nodes, [int(index) for index in failed])
        left &= passed
    return f"0/{total} nodes are available: {', '.join(phrases)}."
