"""Why a pod has no node: what each node says to each of its wishes, and the smallest change that would let it fit. Pure.

The tests are those of the scheduler's `filters` (tests/unit/test_why.py holds the two together); what is added here is one
`Check` for each node and dimension, with amounts, and for each failed one the `Remedy`s that would mend it alone. The smallest
change takes the first remedy of every failed check of one node: of the node that needs the fewest, then the lightest
(`Remedy.weight`), then the first by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controlplane.scheduler import filters
from controlplane.scheduler import nodes as node_columns
from controlplane.scheduler.company_filters import Apart, Near, Spreading
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.filters import amount
from controlplane.scheduler.labels import Term
from controlplane.scheduler.nodes import Node, NodeTable
from controlplane.scheduler.taints import HARD_EFFECTS, NOT_READY, UNREACHABLE, UNSCHEDULABLE, Taint, tolerated
from schema.base import Wire

MOST_NODES = 100
"""Nodes in a document, those that lack least."""
MEBIBYTE = 1 << 20
_BYTES = ("memory", "ephemeral-storage")


@dataclass(frozen=True)
class Remedy:
    text: str
    """An imperative: ``lower the cpu request to 300m``."""
    on: str
    """What it changes: Pod, Node, Claim or Cluster."""
    weight: float = 1.0
    """How much it asks of people. A request that is to shrink by a tenth weighs 0.1."""


@dataclass(frozen=True)
class Check:
    """One node and one dimension."""

    filter: str
    dimension: str
    fits: bool
    message: str
    requested: str = ""
    free: str = ""
    missing: str = ""
    remedies: tuple[Remedy, ...] = ()

    def wire(self) -> Wire:
        told = {"requested": self.requested, "free": self.free, "missing": self.missing}
        return {
            "filter": self.filter,
            "dimension": self.dimension,
            "fits": self.fits,
            **{key: value for key, value in told.items() if value},
            "message": self.message,
            **({"remedies": [each.text for each in self.remedies]} if self.remedies else {}),
        }


@dataclass(frozen=True)
class Row:
    """What one node says."""

    node: str
    checks: tuple[Check, ...]

    @property
    def fits(self) -> bool:
        return all(check.fits for check in self.checks)

    @property
    def change(self) -> tuple[Remedy, ...]:
        """What would let the pod fit here; one remedy may mend several checks (a node that is away has a taint as well)."""
        first = (check.remedies[0] for check in self.checks if not check.fits)
        return tuple({remedy.text: remedy for remedy in first}.values())

    @property
    def cost(self) -> tuple[int, float, str]:
        return (len(self.change), sum(remedy.weight for remedy in self.change), self.node)

    def wire(self) -> Wire:
        return {
            "node": self.node,
            "fits": self.fits,
            "dimensions": [check.wire() for check in self.checks],
            "change": [remedy.text for remedy in self.change],
        }


def rows(pod: Demand, nodes: NodeTable, *, several: bool = False) -> list[Row]:
    """One for each node, those that lack least in front. ``several``: more than one container makes up the requests."""
    found = (Row(node.name, tuple(_checks(pod, nodes, index, several))) for index, node in enumerate(nodes.nodes))
    return sorted(found, key=lambda row: row.cost)


def explain(pod: Demand, nodes: NodeTable, *, several: bool = False) -> Wire:
    """``nodes``, the table; ``summary``, the scheduler's sentence; ``change``, the smallest, as a sentence."""
    table = rows(pod, nodes, several=several)
    document = {
        "nodes": [row.wire() for row in table[:MOST_NODES]],
        "nodesOmitted": max(len(table) - MOST_NODES, 0),
    }
    if not table:
        return {**document, "fits": False, "summary": filters.explain(pod, nodes), "change": "join a node"}
    best = table[0]
    if best.fits:
        summary = f"It fits on {best.node} now; the scheduler has not placed it yet, or others come first."
        return {**document, "fits": True, "node": best.node, "summary": summary, "change": ""}
    change = " and ".join(remedy.text for remedy in best.change)
    return {**document, "fits": False, "node": best.node, "summary": filters.explain(pod, nodes), "change": change}


# The checks, in the order of the filters


def _checks(pod: Demand, nodes: NodeTable, index: int, several: bool) -> Iterator[Check]:
    node = nodes.nodes[index]
    yield from _cordon(pod, node)
    yield from _readiness(pod, node)
    yield from _affinity(pod, node)
    yield from _taints(pod, node)
    yield from _volumes(pod, nodes, node)
    yield from _company(pod, nodes, index)
    yield from _ports(pod, nodes, index)
    yield from _resources(pod, nodes, index, several)


def _cordon(pod: Demand, node: Node) -> Iterator[Check]:
    if not node.cordoned:
        return
    if tolerated(Taint(UNSCHEDULABLE), pod.tolerations):
        yield Check("Cordon", "cordon", True, f"{node.name} is cordoned, which the pod tolerates")
        return
    remedies = (Remedy(f"uncordon {node.name}", "Node"), Remedy(f"tolerate the taint {UNSCHEDULABLE}", "Pod", 2))
    yield Check("Cordon", "cordon", False, f"{node.name} is cordoned: it takes no new pods", remedies=remedies)


def _readiness(pod: Demand, node: Node) -> Iterator[Check]:
    if node.ready == "True":
        yield Check("Readiness", "ready", True, f"{node.name} is ready")
    elif tolerated(node_columns.away(node), pod.tolerations):
        yield Check("Readiness", "ready", True, f"{node.name} is not ready, which the pod tolerates")
    else:
        words = "has not been heard of" if node.ready == "Unknown" else "is not ready"
        yield Check("Readiness", "ready", False, f"{node.name} {words}", remedies=(_bring_back(node),))


def _bring_back(node: Node) -> Remedy:
    return Remedy(f"bring {node.name} back (it is not ready)", "Node", 4)


def _affinity(pod: Demand, node: Node) -> Iterator[Check]:
    for wish in pod.selector:
        has = node.labels.get(wish.key)
        free = f"{wish.key}={has}" if has is not None else f"no label {wish.key}"
        if wish.holds(node.labels):
            yield Check("Affinity", "selector", True, f"{node.name} has {wish}", str(wish), free)
            continue
        remedies = (
            Remedy(f"remove the selector {wish}", "Pod", 2),
            Remedy(f"label {node.name} with {wish}", "Node", 3),
        )
        yield Check(
            "Affinity", "selector", False, f"{node.name} has {free}, not {wish}", str(wish), free, str(wish), remedies
        )
    if pod.required is not None:
        yield _required(pod.required, node)


def _required(terms: Sequence[Term], node: Node) -> Check:
    wish = " or ".join(str(term) for term in terms) or "nothing"
    fits = any(term.matches(node.name, node.labels) for term in terms)
    if fits:
        return Check("Affinity", "affinity", True, f"{node.name} matches the required node affinity", wish)
    # One that names its nodes was made so by a controller (DaemonSet): to remove it would be no help.
    named = any(term.fields for term in terms)
    remedy = Remedy(f"remove the required node affinity ({wish})", "Pod", 20 if named else 2)
    return Check("Affinity", "affinity", False, f"{node.name} is not {wish}", wish, missing=wish, remedies=(remedy,))


def _taints(pod: Demand, node: Node) -> Iterator[Check]:
    for taint in node.taints:
        if taint.effect not in HARD_EFFECTS:
            continue
        shown = f"{taint.key}{'=' + taint.value if taint.value else ''}:{taint.effect}"
        if tolerated(taint, pod.tolerations):
            yield Check("Taints", "taint", True, f"the pod tolerates the taint {shown} of {node.name}")
            continue
        remedies: tuple[Remedy, ...] = (
            Remedy(f"tolerate the taint {shown}", "Pod", 1.5),
            Remedy(f"remove the taint {shown} from {node.name}", "Node", 3),
        )
        if taint.key in (NOT_READY, UNREACHABLE):
            remedies = (_bring_back(node), remedies[0])
        message = f"{node.name} has the taint {shown}, which the pod does not tolerate"
        yield Check("Taints", "taint", False, message, missing=shown, remedies=remedies)


def _volumes(pod: Demand, nodes: NodeTable, node: Node) -> Iterator[Check]:
    for claim in pod.claims:
        obstacle = nodes.claims.obstacle(claim, node.name, node.labels)
        if not obstacle:
            yield Check("Volumes", f"claim {claim.name}", True, f"claim {claim.name} can be used on {node.name}")
            continue
        if claim.problem:
            remedy = Remedy(f"mend claim {claim.name}: {claim.problem}", "Claim", 8)
        elif claim.candidates is not None:
            remedy = Remedy(f"make a volume for claim {claim.name} that {node.name} reaches", "Cluster", 6)
        else:
            remedy = Remedy(f"replace claim {claim.name} by one whose volume {node.name} reaches", "Claim", 16)
        message = obstacle if claim.problem else f"{node.name} {obstacle}"
        yield Check("Volumes", f"claim {claim.name}", False, message, remedies=(remedy,))


def _company(pod: Demand, nodes: NodeTable, index: int) -> Iterator[Check]:
    name, wishes = nodes.nodes[index].name, pod.wishes
    rules = (
        (Near(), "podAffinity", "is near", "is not near", "the pod affinity", wishes.near),
        (Apart(), "podAntiAffinity", "is apart from", "is not apart from", "the pod anti-affinity", wishes.apart),
        (
            Spreading(),
            "topologySpread",
            "keeps the spread of",
            "would upset the spread of",
            "the spread constraint",
            (),
        ),
    )
    for rule, dimension, well, badly, what, terms in rules:
        if not rule.applies(pod, nodes):
            continue
        spread = [each.term for each in wishes.spreads if each.hard] if dimension == "topologySpread" else terms
        wish = " and ".join(str(term) for term in spread) or "pods that want it to stay away"
        if rule.passes(pod, nodes)[index]:
            yield Check(type(rule).__name__, dimension, True, f"{name} {well} {wish}", wish)
            continue
        remedies: tuple[Remedy, ...] = (Remedy(f"remove {what} ({wish})", "Pod", 2),)
        if dimension == "podAffinity":
            remedies = (
                Remedy(f"run a pod with {terms[0].pods} in the same {terms[0].topology} as {name}", "Cluster", 4),
                *remedies,
            )
        if not spread:
            remedies = (Remedy(f"end the pods near {name} whose anti-affinity excludes it", "Cluster", 4),)
        yield Check(
            type(rule).__name__, dimension, False, f"{name} {badly} {wish}", wish, missing=wish, remedies=remedies
        )


def _ports(pod: Demand, nodes: NodeTable, index: int) -> Iterator[Check]:
    name = nodes.nodes[index].name
    for port in pod.ports:
        if not any(port.clashes(taken) for taken in nodes.ports[index]):
            yield Check("Ports", f"port {port}", True, f"host port {port} is free on {name}", str(port), str(port))
            continue
        remedies = (
            Remedy(f"ask for another host port than {port}", "Pod"),
            Remedy(f"end the pod that holds host port {port} on {name}", "Node", 3),
        )
        message = f"host port {port} is in use on {name}"
        yield Check("Ports", f"port {port}", False, message, str(port), missing=str(port), remedies=remedies)


def _resources(pod: Demand, nodes: NodeTable, index: int, several: bool) -> Iterator[Check]:
    node = nodes.nodes[index].name
    for column, dimension in enumerate(nodes.dimensions):
        need = pod.amounts.get(dimension, 0)
        total = int(nodes.allocatable[index, column])
        free = max(int(nodes.free[index, column]), 0)
        if not need:
            continue
        asked, left, short = amount(dimension, need), amount(dimension, free), need - free
        has = f"{node} has room for {left} more pods" if dimension == "pods" else f"{node} has {left} {dimension} free"
        if short <= 0:
            yield Check("Resources", dimension, True, f"{has}, {asked} asked", asked, left)
            continue
        missing = amount(dimension, _rounded_up(dimension, short))
        message = f"{has}, {asked} asked: {missing} missing"
        remedies = tuple(_shortage(node, dimension, need, free, total, several))
        yield Check("Resources", dimension, False, message, asked, left, missing, remedies)


def _shortage(node: str, dimension: str, need: int, free: int, total: int, several: bool) -> Iterator[Remedy]:
    """Lowering comes first where at least half of the request is left, or where no room that is made would do."""
    short = need - free
    missing = amount(dimension, _rounded_up(dimension, short))
    if dimension == "pods":
        yield Remedy(f"end {short} pod{'s' if short > 1 else ''} on {node}", "Node")
        return
    room = Remedy(f"free {missing} of {dimension} on {node}", "Node", 1 + short / need)
    lowered = _rounded_down(dimension, free)
    requests = f"{dimension} requests, in all," if several else f"{dimension} request"
    lower = Remedy(f"lower the {requests} to {amount(dimension, lowered)}", "Pod", short / need)
    bigger = Remedy(f"add a node with at least {amount(dimension, need)} of {dimension}", "Cluster", 5)
    possible = need <= total
    if lowered and (lowered * 2 >= need or not possible):
        yield lower
        if possible:
            yield room
    elif possible:
        yield room
        if lowered:
            yield lower
    yield bigger


def _rounded_up(dimension: str, value: int) -> int:
    """Bytes to whole mebibytes: what people write."""
    return -(-value // MEBIBYTE) * MEBIBYTE if dimension in _BYTES else value


def _rounded_down(dimension: str, value: int) -> int:
    return value // MEBIBYTE * MEBIBYTE if dimension in _BYTES and value >= MEBIBYTE else value
