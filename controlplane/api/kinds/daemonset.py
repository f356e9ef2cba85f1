"""How DaemonSets are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Cell, Column, pick
from controlplane.api.kinds.workload import CONTAINERS, IMAGES, SELECTOR
from schema.base import Wire


def _number(name: str) -> Cell:
    return lambda wire: int(pick(wire, f"status.{name}") or 0)


def _node_selector(wire: Wire) -> str:
    selector = pick(wire, "spec.template.spec.nodeSelector") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(selector.items())) or "<none>"


COLUMNS = (
    NAME,
    Column("Desired", _number("desiredNumberScheduled"), type="integer", description="Nodes that should have a pod."),
    Column("Current", _number("currentNumberScheduled"), type="integer", description="Of these, the ones that have."),
    Column("Ready", _number("numberReady"), type="integer", description="Nodes with a ready pod."),
    Column("Up-to-date", _number("updatedNumberScheduled"), type="integer", description="Nodes with a pod as of now."),
    Column("Available", _number("numberAvailable"), type="integer", description="Nodes with an available pod."),
    Column("Node Selector", _node_selector, description="Which nodes it is for."),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
)
