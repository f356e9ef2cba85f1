"""Walks over a wire object along the tables of its types: what is unknown, what is not honoured, what is to be tidied.

They read only what has the right structure and skip the rest: wrong types are for `schema.validation` to report.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schema import quantity, shapes
from schema.base import ApiModel, Wire
from schema.shapes import Structure


def unknown(model: type[ApiModel], wire: Wire, path: str = "") -> Iterator[str]:
    """Paths of fields that the type does not have: ``spec.containers[0].imagee``."""
    table = shapes.table(model)
    for name, value in wire.items():
        here = f"{path}.{name}" if path else name
        field = table.get(name)
        if field is None:
            yield here
        elif field.model is not None:
            for place, child in _children(field.structure, value, here):
                yield from unknown(field.model, child, place)


def unsupported(model: type[ApiModel], wire: Wire, path: str = "") -> Iterator[str]:
    """A sentence for each field that is stored but not acted upon."""
    table = shapes.table(model)
    for name, value in wire.items():
        field = table.get(name)
        if field is None:
            continue
        here = f"{path}.{name}" if path else name
        if field.not_yet is not None:
            if field.not_yet.concerns(value):
                yield f"{here}: accepted but not honoured yet: {field.not_yet.reason}"
        elif field.model is not None:
            for place, child in _children(field.structure, value, here):
                yield from unsupported(field.model, child, place)


def _children(structure: Structure, value: Any, path: str) -> Iterator[tuple[str, Wire]]:
    if structure is Structure.OBJECT:
        if isinstance(value, dict):
            yield path, value
    elif structure is Structure.LIST:
        if isinstance(value, list):
            yield from ((f"{path}[{i}]", each) for i, each in enumerate(value) if isinstance(each, dict))
    elif structure is Structure.MAP and isinstance(value, dict):
        yield from ((f"{path}[{key}]", each) for key, each in value.items() if isinstance(each, dict))


def tidy(model: type[ApiModel], wire: Wire) -> None:
    """As a decoder would read it, in place: no nulls, no unknown fields, quantities in their canonical spelling."""
    table = shapes.table(model)
    for name in [name for name, value in wire.items() if value is None or name not in table]:
        del wire[name]
    for name, value in wire.items():
        field = table[name]
        if field.is_quantity:
            wire[name] = _canonical(value)
        elif field.model is not None:
            _tidy_children(field.structure, field.model, value)
        elif field.structure is Structure.MAP and isinstance(value, dict) and None in value.values():
            wire[name] = {key: "" if each is None else each for key, each in value.items()}


def _tidy_children(structure: Structure, model: type[ApiModel], value: Any) -> None:
    if structure is Structure.OBJECT:
        if isinstance(value, dict):
            tidy(model, value)
    elif isinstance(value, list | dict):
        for each in value if isinstance(value, list) else value.values():
            if isinstance(each, dict):
                tidy(model, each)


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(each) for key, each in value.items() if each is not None}
    try:
        return quantity.canonical(value)
    except quantity.QuantityError:
        return value
