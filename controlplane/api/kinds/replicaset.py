"""How ReplicaSets are listed: asked for, there, ready."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Cell, Column, pick
from schema.base import Wire
from schema.selectors import of_workload


def number(path: str) -> Cell:
    return lambda wire: pick(wire, path) or 0


def containers(wire: Wire) -> str:
    return ",".join(each.get("name", "") for each in pick(wire, "spec.template.spec.containers") or ())


def images(wire: Wire) -> str:
    return ",".join(each.get("image", "") for each in pick(wire, "spec.template.spec.containers") or ())


def selector(wire: Wire) -> str:
    found = of_workload(pick(wire, "spec.selector"))
    return str(found) if found else "<none>"


TEMPLATE_COLUMNS = (
    Column("Containers", containers, priority=1, description="Names of the containers of the template."),
    Column("Images", images, priority=1, description="Their images."),
    Column("Selector", selector, priority=1, description="Which pods are counted."),
)
COLUMNS = (
    NAME,
    Column("Desired", number("spec.replicas"), type="integer", description="How many pods there should be."),
    Column("Current", number("status.replicas"), type="integer", description="How many there are."),
    Column("Ready", number("status.readyReplicas"), type="integer", description="How many are ready."),
    AGE,
    *TEMPLATE_COLUMNS,
)
