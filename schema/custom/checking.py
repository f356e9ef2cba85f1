"""Whether an object fits its schema. One cause for each fault, as Kubernetes words them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from schema.base import Wire
from schema.custom import formats, patterns
from schema.custom.structural import TYPES, Schema, child, key_of
from schema.validation.causes import Problems, shown

_ABSENT: Any = object()
_MOST_CAUSES = 64


def check(schema: Schema, new: Wire, old: Wire | None, problems: Problems) -> None:
    """What was wrong already and is left as it was is not held against an update."""
    _value(schema, new, _ABSENT if old is None else old, "", problems)
    named = schema.properties.get("metadata")
    for name in ("name", "generateName"):
        if named is not None and name in named.properties and name in new["metadata"]:
            _value(named.properties[name], new["metadata"][name], _ABSENT, f"metadata.{name}", problems)


def fits(schema_wire: Wire, value: Any) -> bool:
    """Whether a value is what a part of a schema without structure (anyOf, not) asks for."""
    problems = Problems()
    _constraints(schema_wire, value, "", problems)
    return not problems.causes


def _value(schema: Schema, value: Any, old: Any, path: str, problems: Problems) -> None:
    if old is not _ABSENT and path and _same(value, old):
        return
    if len(problems.causes) >= _MOST_CAUSES:
        return
    if value is None:
        if not schema.nullable:
            problems.add("FieldValueTypeInvalid", path, _type_fault(value, _expected(schema)))
        return
    if not _has_type(schema, value):
        problems.add("FieldValueTypeInvalid", path, _type_fault(value, _expected(schema)))
        return
    _own_constraints(schema.wire, value, path, problems)
    _combinations(schema.wire, value, path, problems)
    if isinstance(value, dict):
        _object(schema, value, old, path, problems)
    elif isinstance(value, list):
        _list(schema, value, old, path, problems)


def _same(value: Any, old: Any) -> bool:
    return type(value) is type(old) and bool(value == old)


# -- types


def _expected(schema: Schema) -> str:
    return "integer or string" if schema.int_or_string else schema.type


def _has_type(schema: Schema, value: Any) -> bool:
    if schema.int_or_string:
        return isinstance(value, str) or _is_integer(value)
    return of_type(schema.type, value)


def of_type(name: str, value: Any) -> bool:
    if not name:
        return True
    if name == "integer":
        return _is_integer(value)
    if name == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def _is_integer(value: Any) -> bool:
    """2.0 is one, as in JSON."""
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())


def _type_fault(value: Any, expected: str) -> str:
    given = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    word = given.get(type(value), "null")
    return f'Invalid value: "{word}": must be of type {expected}: "{word}"'


# -- objects and lists


def _object(schema: Schema, value: Wire, old: Any, path: str, problems: Problems) -> None:
    before = old if isinstance(old, dict) else {}
    for name, each in value.items():
        below = child(schema, name)
        if below is not None and not (not path and name in ("apiVersion", "kind", "metadata")):
            where = _join(schema, path, name)
            _value(below, each, before.get(name, _ABSENT), where, problems)
    if schema.embedded:
        _embedded(value, path, problems)


def _join(schema: Schema, path: str, name: str) -> str:
    if name not in schema.properties:
        return f"{path}[{name}]" if path else name
    return f"{path}.{name}" if path else name


def _embedded(value: Wire, path: str, problems: Problems) -> None:
    for name in ("apiVersion", "kind"):
        given = value.get(name)
        if given in (None, ""):
            problems.required(f"{path}.{name}", "must not be empty")
        elif not isinstance(given, str):
            problems.add("FieldValueTypeInvalid", f"{path}.{name}", _type_fault(given, "string"))
    if not isinstance(value.get("metadata", {}), dict):
        problems.add("FieldValueTypeInvalid", f"{path}.metadata", _type_fault(value["metadata"], "object"))


def _list(schema: Schema, value: list[Any], old: Any, path: str, problems: Problems) -> None:
    before: Mapping[Any, Any] = {}
    if schema.map_keys:
        before = {key_of(schema, each): each for each in old} if isinstance(old, list) else {}
        _refuse_twice(((key_of(schema, each), _keys_shown(schema, each)) for each in value), path, problems)
    elif schema.is_set:
        _refuse_twice(((_text(each), each) for each in value), path, problems)
    if schema.items is None:
        return
    for index, each in enumerate(value):
        earlier = before.get(key_of(schema, each), _ABSENT) if before else _ABSENT
        _value(schema.items, each, earlier, f"{path}[{index}]", problems)


def _keys_shown(schema: Schema, element: Any) -> Any:
    return {name: element.get(name) for name in schema.map_keys} if isinstance(element, dict) else element


def _refuse_twice(elements: Iterator[tuple[Any, Any]], path: str, problems: Problems) -> None:
    seen = set()
    for index, (key, each) in enumerate(elements):
        if key in seen:
            problems.duplicate(f"{path}[{index}]", each)
        seen.add(key)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name!r}:{_text(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return f"{type(value).__name__}:{value!r}"


# -- constraints


def _own_constraints(wire: Wire, value: Any, path: str, problems: Problems) -> None:
    if "enum" in wire and not any(_same(value, each) for each in wire["enum"]):
        options = ", ".join(shown(each) for each in wire["enum"])
        problems.add("FieldValueNotSupported", path, f"Unsupported value: {shown(value)}: supported values: {options}")
    if wire.get("format") and (fault := formats.fault(wire["format"], value)):
        problems.invalid(path, value, f"in body {fault}: {shown(value)}")
    if isinstance(value, str):
        _string(wire, value, path, problems)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(wire, value, path, problems)
    elif isinstance(value, list):
        _bounds(wire, len(value), ("minItems", "maxItems"), "items", path, problems)
    elif isinstance(value, dict):
        _bounds(wire, len(value), ("minProperties", "maxProperties"), "properties", path, problems)
        for name in wire.get("required") or ():
            if name not in value:
                problems.required(f"{path}.{name}" if path else name)


def _string(wire: Wire, value: str, path: str, problems: Problems) -> None:
    longest, shortest = wire.get("maxLength"), wire.get("minLength")
    if longest is not None and len(value) > longest:
        problems.add("FieldValueTooLong", path, f"Too long: may not be more than {longest} bytes")
        return  # a pattern need not be matched against what is too long anyway
    if shortest is not None and len(value) < shortest:
        problems.invalid(path, value, f"in body should be at least {shortest} chars long")
    if wire.get("pattern") and not patterns.found(wire["pattern"], value):
        problems.invalid(path, value, f"in body should match '{wire['pattern']}'")


def _number(wire: Wire, value: float, path: str, problems: Problems) -> None:
    low, high, step = wire.get("minimum"), wire.get("maximum"), wire.get("multipleOf")
    if low is not None and (value < low or (wire.get("exclusiveMinimum") and value == low)):
        than = "greater than" if wire.get("exclusiveMinimum") else "greater than or equal to"
        problems.invalid(path, value, f"in body should be {than} {low}")
    if high is not None and (value > high or (wire.get("exclusiveMaximum") and value == high)):
        than = "less than" if wire.get("exclusiveMaximum") else "less than or equal to"
        problems.invalid(path, value, f"in body should be {than} {high}")
    if step and not _is_multiple(value, step):
        problems.invalid(path, value, f"in body should be a multiple of {step}")


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    try:
        quotient = value / step
    except OverflowError:
        return False
    return math.isfinite(quotient) and abs(quotient - round(quotient)) < 1e-9


def _bounds(wire: Wire, count: int, names: tuple[str, str], what: str, path: str, problems: Problems) -> None:
    least, most = wire.get(names[0]), wire.get(names[1])
    if most is not None and count > most:
        problems.add("FieldValueTooMany", path, f"Too many: {count}: must have at most {most} {what}")
    if least is not None and count < least:
        problems.invalid(path, count, f"in body should have at least {least} {what}")


# -- anyOf and its kin: constraints without structure of their own


def _combinations(wire: Wire, value: Any, path: str, problems: Problems) -> None:
    for each in wire.get("allOf") or ():
        _constraints(each, value, path, problems)
    if wire.get("anyOf") and not any(fits(each, value) for each in wire["anyOf"]):
        _no_alternative(wire["anyOf"], value, path, problems, "anyOf")
    if wire.get("oneOf"):
        count = sum(fits(each, value) for each in wire["oneOf"])
        if count == 0:
            _no_alternative(wire["oneOf"], value, path, problems, "oneOf")
        elif count > 1:
            problems.invalid(
                path, _brief(value), f"must validate one and only one schema (oneOf). Found {count} valid alternatives"
            )
    if wire.get("not") and fits(wire["not"], value):
        problems.invalid(path, _brief(value), "must not validate the schema (not)")


def _no_alternative(alternatives: list[Wire], value: Any, path: str, problems: Problems, word: str) -> None:
    """Named are the faults in the first alternative where it is the only one; else that none fits."""
    if len(alternatives) == 1:
        _constraints(alternatives[0], value, path, problems)
        return
    words = "one and only one" if word == "oneOf" else "at least one"
    problems.invalid(path, _brief(value), f"must validate {words} schema ({word})")


def _brief(value: Any) -> Any:
    """An object is named by its fields: its values may be long."""
    return f"object with {', '.join(sorted(value)) or 'no fields'}" if isinstance(value, dict) else value


def _constraints(wire: Wire, value: Any, path: str, problems: Problems) -> None:
    """A schema whose properties, items and types may be left out or repeated."""
    if value is None and wire.get("nullable"):
        return
    if wire.get("x-kubernetes-int-or-string") and not (isinstance(value, str) or _is_integer(value)):
        problems.add("FieldValueTypeInvalid", path, _type_fault(value, "integer or string"))
        return
    if not of_type(wire.get("type") or "", value):
        problems.add("FieldValueTypeInvalid", path, _type_fault(value, wire["type"]))
        return
    _own_constraints(wire, value, path, problems)
    _combinations(wire, value, path, problems)
    if isinstance(value, dict):
        others = wire.get("additionalProperties")
        for name, each in value.items():
            below = (wire.get("properties") or {}).get(name, others)
            if isinstance(below, dict):
                _constraints(below, each, f"{path}.{name}" if path else name, problems)
    elif isinstance(value, list) and isinstance(wire.get("items"), dict):
        for index, each in enumerate(value):
            _constraints(wire["items"], each, f"{path}[{index}]", problems)
