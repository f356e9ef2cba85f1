"""What a schema fills in where a field is absent."""

from __future__ import annotations

import copy
from typing import Any

from schema.base import Wire
from schema.custom.structural import TYPE_META, Schema, child


def default(schema: Schema, wire: Wire) -> None:
    """In place. A null where none is allowed counts as absent, and goes."""
    _fill(schema, wire, root=True)


def _fill(schema: Schema, value: Any, *, root: bool = False) -> None:
    if isinstance(value, list):
        if schema.items is not None:
            for each in value:
                _fill(schema.items, each)
        return
    if not isinstance(value, dict):
        return
    skipped = TYPE_META if root else ()
    for name in [name for name, each in value.items() if each is None and name not in skipped]:
        below = child(schema, name)
        if below is not None and not below.nullable:
            del value[name]
    for name, below in schema.properties.items():
        if "default" in below.wire and name not in value and name not in skipped:
            value[name] = copy.deepcopy(below.wire["default"])
    for name, each in value.items():
        below = child(schema, name)
        if below is not None and name not in skipped:
            _fill(below, each)
