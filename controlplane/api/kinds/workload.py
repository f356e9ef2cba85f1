"""Columns of the kinds that make pods from a template."""

from __future__ import annotations

from controlplane.api.columns import Cell, Column, pick
from schema.base import Wire
from schema.selectors import LabelSelector


def _of_containers(field: str) -> Cell:
    def cell(wire: Wire) -> str:
        containers = pick(wire, "spec.template.spec.containers") or ()
        return ",".join(str(each.get(field, "")) for each in containers)

    return cell


def _selector(wire: Wire) -> str:
    return str(LabelSelector.from_object(pick(wire, "spec.selector")))


CONTAINERS = Column("Containers", _of_containers("name"), priority=1)
IMAGES = Column("Images", _of_containers("image"), priority=1)
SELECTOR = Column("Selector", _selector, priority=1)
