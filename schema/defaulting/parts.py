"""Reading parts of a wire object that may still be of a wrong type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schema.base import Wire


def child(wire: Wire, name: str) -> Wire | None:
    """The object in a field; None where there is none."""
    value = wire.get(name)
    return value if isinstance(value, dict) else None


def children(wire: Wire, name: str) -> Iterator[Wire]:
    """The objects in a list field."""
    value = wire.get(name)
    if isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))


def fill(wire: Wire, name: str, value: Any) -> None:
    """Set a field that is absent or empty."""
    if wire.get(name) in (None, ""):
        wire[name] = value


def fill_zero(wire: Wire, name: str, value: int) -> None:
    """Set a number whose zero means that it was not given."""
    if wire.get(name) in (None, 0) and not isinstance(wire.get(name), bool):
        wire[name] = value
