"""The nodes as columns: one row per node, sorted by name, with what is still free. Pure.

A `NodeTable` is built once for a pass and then accounts for each placed pod in memory (`take`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from controlplane.scheduler import demand
from controlplane.scheduler.claims import Decided
from controlplane.scheduler.company import Company, Member
from controlplane.scheduler.demand import Amounts, Demand, HostPort
from controlplane.scheduler.taints import UNREACHABLE, UNSCHEDULABLE, Taint
from schema.base import Wire

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BASE_DIMENSIONS = ("cpu", "memory", "pods", "ephemeral-storage")


@dataclass
class Usage:
    """What a node's pods hold already."""

    amounts: Amounts = field(default_factory=dict)
    """Includes ``pods``, their number."""
    ports: list[HostPort] = field(default_factory=list)
    groups: dict[Hashable, int] = field(default_factory=dict)
    """Pods per spread group."""


@dataclass(frozen=True)
class Node:
    """What placement needs to know of one node."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False
    ready: str = "True"
    """Status of the Ready condition: True, False or Unknown."""
    allocatable: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


def parse(wire: Wire, usage: Usage | None = None) -> Node:
    spec, status = wire.get("spec") or {}, wire.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    taints = tuple(Taint.parse(each) for each in spec.get("taints") or ())
    return Node(
        name=wire["metadata"]["name"],
        labels=wire["metadata"].get("labels") or {},
        # Cordon has its own filter and sentence, and so has a node that is away.
        taints=tuple(each for each in taints if each.key != UNSCHEDULABLE),
        cordoned=bool(spec.get("unschedulable")),
        ready=conditions.get("Ready", "Unknown"),
        allocatable=demand.amounts(status.get("allocatable")),
        usage=usage or Usage(),
    )


class NodeTable:
    """Columns over the nodes. ``version`` grows with each pod taken, so that derived results know when they are old."""

    def __init__(self, nodes: Iterable[Node], dimensions: Sequence[str] = BASE_DIMENSIONS) -> None:
        self.nodes = sorted(nodes, key=lambda node: node.name)
        self.dimensions = tuple(dimensions)
        self.version = 0
        self.cordoned: Mask = np.array([node.cordoned for node in self.nodes], dtype=bool)
        self.unready: Mask = np.array([node.ready != "True" for node in self.nodes], dtype=bool)
        self.allocatable = self._matrix(node.allocatable for node in self.nodes)
        self.used = self._matrix(node.usage.amounts for node in self.nodes)
        self.claims = Decided()
        self.company = self.company_of()
        self.ports = [list(node.usage.ports) for node in self.nodes]
        self._capacity: Floats = np.maximum(self.allocatable, 1).astype(np.float64)
        self._groups: dict[Hashable, Integers] = {}

    def company_of(
        self, members: Iterable[Member] = (), namespaces: Mapping[str, Mapping[str, str]] | None = None
    ) -> Company:
        return Company([(node.name, node.labels) for node in self.nodes], members, namespaces)

    def __len__(self) -> int:
        return len(self.nodes)

    def _matrix(self, rows: Iterable[Mapping[str, int]]) -> Integers:
        values = [[row.get(name, 0) for name in self.dimensions] for row in rows]
        return np.array(values, dtype=np.int64).reshape(len(self.nodes), len(self.dimensions))

    def vector(self, pod: Demand) -> Integers:
        return np.array([pod.amounts.get(name, 0) for name in self.dimensions], dtype=np.int64)

    @property
    def free(self) -> Integers:
        return self.allocatable - self.used

    def shares(self, need: Integers) -> Floats:
        """Used share of each node and dimension if a pod of this need were there too."""
        shares: Floats = (self.used + need) / self._capacity
        return shares

    def group(self, key: Hashable) -> Integers:
        """Pods of a spread group per node."""
        if key not in self._groups:
            counts = [node.usage.groups.get(key, 0) for node in self.nodes]
            self._groups[key] = np.array(counts, dtype=np.int64)
        return self._groups[key]

    def take(self, index: int, pod: Demand, need: Integers) -> None:
        """Account for a pod placed on a node."""
        self.used[index] += need
        self.ports[index].extend(pod.ports)
        if pod.spread is not None:
            self.group(pod.spread)[index] += 1
        for claim in pod.claims:
            self.claims.take(claim, self.nodes[index].name, self.nodes[index].labels)
        self.company.take(Member(self.nodes[index].name, pod.namespace, pod.labels, pod.wishes.apart))
        self.version += 1


def dimensions_of(pods: Iterable[Demand]) -> tuple[str, ...]:
    """The base dimensions and whatever else the pods ask for (devices, huge pages)."""
    asked = {name for pod in pods for name in pod.amounts}
    return (*BASE_DIMENSIONS, *sorted(asked.difference(BASE_DIMENSIONS)))


def away(node: Node) -> Taint:
    """The taint that stands for a node which is not Ready: who tolerates it may go there."""
    return Taint(UNREACHABLE if node.ready == "Unknown" else "node.kubernetes.io/not-ready")
