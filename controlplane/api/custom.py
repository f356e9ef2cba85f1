"""What the views of custom kinds have beyond those of all: columns by JSONPath."""

from __future__ import annotations

import math
from typing import Any

import orjson

from controlplane.api.columns import AGE, NAME, Cell, Column, since
from schema.base import Wire
from schema.custom import paths
from schema.custom.resource import Column as Described
from schema.custom.resource import Custom


def columns(custom: Custom) -> tuple[Column, ...]:
    """The name, and what the definition describes; else the age."""
    if custom.columns is None:
        return (NAME, AGE)
    return (NAME, *(_column(each) for each in custom.columns))


def _column(described: Described) -> Column:
    return Column(
        described.name,
        _cell(described),
        type=described.type,
        format=described.format,
        description=described.description
        or f"Custom resource definition column (in JSONPath format): {described.path}",
        priority=described.priority,
    )


def _cell(described: Described) -> Cell:
    path = paths.compiled(described.path)

    def cell(wire: Wire) -> Any:
        found = path.values(wire)
        return _shown(found, described.type) if found else None

    return cell


def _shown(found: list[Any], kind: str) -> Any:
    """Of several values text shows all; every other type the first."""
    first = found[0]
    if first is None:
        return None
    if kind == "date":
        return since(first) if isinstance(first, str) else "<invalid>"
    if kind == "integer":
        return int(first) if _is_number(first) else None
    if kind == "number":
        return float(first) if _is_number(first) else None
    if kind == "boolean":
        return first if isinstance(first, bool) else None
    return " ".join(_text(each) for each in found) if len(found) > 1 else _text(first)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
