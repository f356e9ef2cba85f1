"""From wire object to class: wrong types, missing fields, words and quantities that are none become causes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schema import quantity, shapes
from schema.base import ApiModel, Wire
from schema.kinds import Kind
from schema.meta import Object
from schema.shapes import Field, Structure
from schema.validation.causes import TYPE_INVALID, Problems, shown

_TYPE_NAMES = {str: "string", int: "integer", bool: "boolean", float: "number"}
_ZERO: dict[Structure, Any] = {Structure.LIST: [], Structure.MAP: {}, Structure.OBJECT: {}, Structure.ANY: {}}

Location = tuple[int | str, ...]


def readable(kind: Kind, wire: Wire) -> bool:
    """Whether everything in it has the right type; something may be missing."""
    return read(kind, wire, Problems()) is not None


def read(kind: Kind, wire: Wire, problems: Problems) -> Object | None:
    """The object as its class. None when it cannot be read; then the reasons are in ``problems``."""
    try:
        return kind.model.parse(wire)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True, include_input=True)
    for detail in details:
        _report(kind.model, detail, problems)
    if all(detail["type"] == "missing" for detail in details):
        return _with_zeros(kind, wire, [detail["loc"] for detail in details])
    return None


def _with_zeros(kind: Kind, wire: Wire, missing: list[Location]) -> Object | None:
    """The object with zero values where something is missing, so that its other faults can be found in the same go."""
    filled = copy.deepcopy(wire)
    while missing:
        if not _fill(kind, filled, missing):
            return None
        try:
            return kind.model.parse(filled)
        except ValidationError as error:  # what was filled in lacks something in its turn
            details = error.errors(include_url=False, include_context=False, include_input=False)
        missing = [detail["loc"] for detail in details if detail["type"] == "missing"]
    return None


def _fill(kind: Kind, filled: Wire, missing: list[Location]) -> bool:
    for location in missing:
        field = _follow(kind.model, location)[1]
        if field is None:
            return False
        target: Any = filled
        for step in location[:-1]:
            target = target[step]
        target[location[-1]] = _zero(field)
    return True


def _zero(field: Field) -> Any:
    if field.structure is not Structure.SCALAR:
        return copy.copy(_ZERO[field.structure])
    if str in field.scalars:
        return ""
    return False if bool in field.scalars else field.bounds[0] or 0


def _report(model: type[ApiModel], detail: ErrorDetails, problems: Problems) -> None:
    path, field = _follow(model, detail["loc"])
    value = detail["input"]
    kind = detail["type"]
    if kind == "missing":
        problems.required(path)
    elif kind in ("greater_than_equal", "less_than_equal") and field is not None:
        problems.invalid(path, value, _bounds_text(field, above=kind == "less_than_equal"))
    elif kind == "value_error":
        problems.invalid(path, value, str(detail.get("ctx", {}).get("error", detail["msg"])))
    elif kind != "is_instance_of":
        expected = _expected(detail, field)
        problems.add(TYPE_INVALID, path, f"Invalid value: {shown(value)}: must be of type {expected}")


def _expected(detail: ErrorDetails, field: Field | None) -> str:
    match detail["type"]:
        case "list_type":
            return "array"
        case "dict_type" | "model_type" | "model_attributes_type":
            return "object"
    if field is None or not field.scalars:
        return "object"
    return " or ".join(sorted(_TYPE_NAMES.get(each, "string") for each in field.scalars))


def _bounds_text(field: Field, *, above: bool) -> str:
    low, high = field.bounds
    if low is not None and high is not None and high < 2**31 - 1:
        return f"must be between {low} and {high}, inclusive"
    return f"must be less than or equal to {high}" if above else f"must be greater than or equal to {low}"


def _follow(model: type[ApiModel], location: Location) -> tuple[str, Field | None]:
    """The path in Kubernetes' spelling, and the last field on it. Steps into unions are not part of a path."""
    path, field = "", None
    current: type[ApiModel] | None = model
    inside_map = False
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif inside_map:
            path += f"[{step}]"
            inside_map = False
        elif current is not None:
            field = shapes.table(current).get(step)
            path += f".{step}" if path else step
            current = field.model if field else None
            inside_map = field is not None and field.structure is Structure.MAP
    return path, field


def check_words(model: type[ApiModel], wire: Wire, problems: Problems, path: str = "") -> None:
    """Words that a field does not know and quantities that are none, anywhere in the object."""
    table = shapes.table(model)
    for name, value in wire.items():
        field = table.get(name)
        if field is None:
            continue
        here = f"{path}{name}"
        if field.one_of is not None:
            _check_word(field, value, here, problems)
        elif field.is_quantity:
            _check_quantities(value, here, problems)
        elif field.model is not None and value:
            for place, child in _children(value, here):
                check_words(field.model, child, problems, f"{place}.")


def _children(value: Any, path: str) -> Iterator[tuple[str, Wire]]:
    if isinstance(value, list):
        yield from ((f"{path}[{i}]", each) for i, each in enumerate(value) if isinstance(each, dict))
    elif isinstance(value, dict):
        yield path, value


def _check_word(field: Field, value: Any, path: str, problems: Problems) -> None:
    if value == "" and field.required:
        problems.required(path)
    elif field.one_of is not None and isinstance(value, str) and value and value not in field.one_of:
        problems.not_supported(path, value, field.one_of)


def _check_quantities(value: Any, path: str, problems: Problems) -> None:
    if isinstance(value, dict):
        for name, amount in value.items():
            _check_quantities(amount, f"{path}[{name}]", problems)
    elif isinstance(value, str) and value and not quantity.valid(value):
        problems.invalid(path, value, "quantities must be a number and a suffix, as in 500m, 0.5, 128Mi or 1e3")
