"""What a Table's cells are made of: column definitions and the ways kubectl's users are used to read values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schema.base import Wire

Cell = Callable[[Wire], Any]


@dataclass(frozen=True)
class Column:
    """``priority`` above 0 is shown by ``-o wide`` only."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> Wire:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


def pick(wire: Any, path: str) -> Any:
    """The value at a dotted path; None where any step is absent or not an object."""
    for part in path.split("."):
        wire = wire.get(part) if isinstance(wire, Mapping) else None
    return wire


def text(path: str, absent: str = "") -> Cell:
    return lambda wire: str(found) if (found := pick(wire, path)) not in (None, "") else absent


def count(path: str) -> Cell:
    return lambda wire: len(found) if isinstance(found := pick(wire, path), list | dict) else 0


def since(stamp: object) -> str:
    """How long ago an RFC 3339 time was: ``5m12s``; ``<unknown>`` where it is none."""
    if not isinstance(stamp, str):
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return "<unknown>"
    return human((datetime.now(UTC) - moment).total_seconds())


def human(seconds: float) -> str:
    """A span in at most two units, coarser the longer it is, as kubectl writes it."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


NAME = Column("Name", text("metadata.name"), format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", lambda wire: since(pick(wire, "metadata.creationTimestamp")), description="Time since creation.")
