"""PriorityClass: pods of it may push out lower ones."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import fill


def default(wire: Wire) -> None:
    wire.setdefault("value", 0)
    fill(wire, "preemptionPolicy", "PreemptLowerPriority")
