"""Unknown fields: named, and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schema.base import Wire
from schema.custom.structural import TYPE_META, Schema, child, is_known


def unknown(schema: Schema, wire: Wire) -> Iterator[str]:
    """Paths of the fields of an object that its schema does not have: ``spec.parts[0].colour``."""
    for holder, name, path in _unknown(schema, wire, "", root=True):
        assert name in holder  # noqa: S101 - it was found there
        yield path


def prune(schema: Schema, wire: Wire) -> None:
    """Drop them, in place."""
    for holder, name, _ in list(_unknown(schema, wire, "", root=True)):
        del holder[name]


def _unknown(schema: Schema, value: Any, path: str, *, root: bool = False) -> Iterator[tuple[Wire, str, str]]:
    if isinstance(value, list):
        if schema.items is not None:
            for index, each in enumerate(value):
                yield from _unknown(schema.items, each, f"{path}[{index}]")
        return
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        if root and name in TYPE_META:
            continue
        if not is_known(schema, name):
            yield value, name, _join(schema, path, name)
            continue
        below = child(schema, name)
        if below is not None:
            yield from _unknown(below, each, _join(schema, path, name))


def _join(schema: Schema, path: str, name: str) -> str:
    if name not in schema.properties and schema.additional is not None:
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
