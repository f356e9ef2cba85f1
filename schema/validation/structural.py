"""A schema of a custom resource is structural: the type of every field is said once, outside of anyOf and its kin.

As Kubernetes: what is not written this way could neither be pruned nor published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from schema.apiextensions.schemaprops import JSONSchemaProps
from schema.base import Wire
from schema.custom import checking, pruning, structural
from schema.custom.patterns import PatternError, compiled
from schema.validation.causes import Problems

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_NEVER = ("$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id", "$schema")
_STRUCTURE = (
    "type",
    "description",
    "title",
    "default",
    "nullable",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-validations",
)
"""May not stand inside anyOf and its kin, which only add constraints."""
_KIN = ("allOf", "anyOf", "oneOf")
_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def check(wire: Wire, path: str, problems: Problems) -> None:
    """Adds a cause for each fault; without one `schema.custom.structural.read` understands it."""
    before = len(problems.causes)
    if wire.get("type") != "object":
        problems.invalid(f"{path}.type", wire.get("type", ""), "must be object at the root")
        return
    for name in ("x-kubernetes-embedded-resource", "nullable"):
        if wire.get(name):
            problems.forbidden(f"{path}.{name}", "not allowed at the root")
    _place(wire, path, problems)
    _check_type_meta(wire, path, problems)
    if len(problems.causes) == before:
        _check_defaults(structural.read(wire), path, problems)


def _place(wire: Wire, path: str, problems: Problems) -> None:
    """One place of the structure, and all below it."""
    _refuse_unusable(wire, path, problems)
    _check_type(wire, path, problems)
    _check_constraints(wire, path, problems)
    _check_extensions(wire, path, problems)
    if not _is_schema(wire.get("additionalProperties"), f"{path}.additionalProperties", problems):
        return
    for where, each in _children(wire, path):
        _place(each, where, problems)
    for where, each in _kin(wire, path):
        if not _is_int_or_string(wire, where, path):
            _constraint(each, wire, where, problems)


def _is_int_or_string(wire: Wire, where: str, path: str) -> bool:
    """The one type inside anyOf that is allowed: of what is an integer or a string anyway."""
    if not wire.get("x-kubernetes-int-or-string"):
        return False
    plain = [{"type": "integer"}, {"type": "string"}]
    if where.startswith(f"{path}.anyOf"):
        return bool(wire["anyOf"] == plain)
    return where.startswith(f"{path}.allOf[0]") and wire["allOf"][0] == {"anyOf": plain}


def _is_schema(given: Any, path: str, problems: Problems) -> bool:
    """Of additionalProperties, which is a schema or a boolean; so its type does not say which fields it has."""
    if given is None or isinstance(given, bool):
        return True
    if not isinstance(given, dict):
        problems.invalid(path, given, "must be a schema or true")
        return False
    try:
        JSONSchemaProps.parse(given)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_context=False):
            where = ".".join([path, *map(str, detail["loc"])])
            problems.invalid(where, detail["input"], f"must be a schema: {detail['msg']}")
        return False
    return True


def _children(wire: Wire, path: str) -> Iterator[tuple[str, Any]]:
    for name, each in (wire.get("properties") or {}).items():
        yield f"{path}.properties[{name}]", each
    if isinstance(wire.get("items"), dict):
        yield f"{path}.items", wire["items"]
    if isinstance(wire.get("additionalProperties"), dict):
        yield f"{path}.additionalProperties", wire["additionalProperties"]


def _kin(wire: Wire, path: str) -> Iterator[tuple[str, Wire]]:
    for word in _KIN:
        for index, each in enumerate(wire.get(word) or ()):
            yield f"{path}.{word}[{index}]", each
    if isinstance(wire.get("not"), dict):
        yield f"{path}.not", wire["not"]


# -- one place


def _refuse_unusable(wire: Wire, path: str, problems: Problems) -> None:
    for name in _NEVER:
        if wire.get(name):
            problems.forbidden(f"{path}.{name}", f"{name} is not supported")
    if wire.get("uniqueItems"):
        problems.forbidden(
            f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )
    if wire.get("additionalProperties") is False:
        problems.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    elif wire.get("additionalProperties") is not None and wire.get("properties"):
        problems.forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if wire.get("x-kubernetes-preserve-unknown-fields") is False:
        problems.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")


def _check_type(wire: Wire, path: str, problems: Problems) -> None:
    given = wire.get("type") or ""
    if wire.get("x-kubernetes-int-or-string"):
        if given:
            problems.forbidden(f"{path}.type", "must be empty if x-kubernetes-int-or-string is true")
    elif not given:
        if not wire.get("x-kubernetes-preserve-unknown-fields"):
            problems.required(f"{path}.type", "must not be empty for specified object fields")
    elif given not in _TYPES:
        problems.not_supported(f"{path}.type", given, _TYPES)
    if given == "array" and not isinstance(wire.get("items"), dict):
        problems.required(f"{path}.items", "must be specified")


def _check_constraints(wire: Wire, path: str, problems: Problems) -> None:
    if wire.get("pattern"):
        try:
            compiled(wire["pattern"])
        except PatternError as error:
            problems.invalid(f"{path}.pattern", wire["pattern"], str(error))
    for low, high in _BOUNDS:
        if wire.get(low) is not None and wire.get(high) is not None and wire[low] > wire[high]:
            problems.invalid(f"{path}.{high}", wire[high], f"must be greater than or equal to {low}")
    step = wire.get("multipleOf")
    if step is not None and step <= 0:
        problems.invalid(f"{path}.multipleOf", step, "must be greater than 0")
    names = wire.get("required") or []
    for index, name in enumerate(names):
        if name in names[:index]:
            problems.duplicate(f"{path}.required[{index}]", name)


def _check_extensions(wire: Wire, path: str, problems: Problems) -> None:
    list_type, kind = wire.get("x-kubernetes-list-type"), wire.get("type")
    if list_type and kind != "array":
        problems.invalid(f"{path}.type", kind or "", "must be array if x-kubernetes-list-type is specified")
    if wire.get("x-kubernetes-map-type") and kind != "object":
        problems.invalid(f"{path}.type", kind or "", "must be object if x-kubernetes-map-type is specified")
    if wire.get("x-kubernetes-embedded-resource"):
        if kind != "object":
            problems.invalid(f"{path}.type", kind or "", "must be object if x-kubernetes-embedded-resource is true")
        if not wire.get("properties") and not wire.get("x-kubernetes-preserve-unknown-fields"):
            problems.required(f"{path}.properties", "must not be empty if x-kubernetes-embedded-resource is true")
    keys = wire.get("x-kubernetes-list-map-keys") or []
    if keys and list_type != "map":
        problems.invalid(
            f"{path}.x-kubernetes-list-type", list_type or "", "must be map if x-kubernetes-list-map-keys is non-empty"
        )
    elif list_type == "map":
        _check_map_keys(wire, keys, path, problems)
    items = wire.get("items")
    if list_type == "set" and isinstance(items, dict):
        atomic = items.get("x-kubernetes-map-type") == "atomic" or items.get("x-kubernetes-list-type") == "atomic"
        if items.get("type") in ("object", "array") and not atomic:
            problems.invalid(
                f"{path}.items", items.get("type"), "must be scalars or atomic if x-kubernetes-list-type is set"
            )
        if items.get("nullable"):
            problems.forbidden(f"{path}.items.nullable", "cannot be nullable when x-kubernetes-list-type is set")


def _check_map_keys(wire: Wire, keys: list[str], path: str, problems: Problems) -> None:
    if not keys:
        problems.required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    items = wire.get("items") if isinstance(wire.get("items"), dict) else {}
    if items and items.get("type") != "object":
        problems.invalid(f"{path}.items.type", items.get("type") or "", "must be object if the list type is map")
        return
    known = (items or {}).get("properties") or {}
    needed = (items or {}).get("required") or []
    for index, key in enumerate(keys):
        where = f"{path}.x-kubernetes-list-map-keys[{index}]"
        of = known.get(key)
        if key in keys[:index]:
            problems.duplicate(where, key)
        elif not isinstance(of, dict):
            problems.invalid(where, key, "must name a field of the items")
        elif of.get("type") in ("array", "object"):
            problems.invalid(where, key, "must name a scalar field")
        elif key not in needed and "default" not in of:
            problems.required(
                f"{path}.items.properties[{key}].default", "this field is a key: it must be required or have a default"
            )


# -- anyOf and its kin


def _constraint(wire: Wire, beside: Wire | None, path: str, problems: Problems) -> None:
    """A schema that only constrains: ``beside`` is the structure of the same place, None where that is open."""
    _refuse_unusable({key: value for key, value in wire.items() if key != "additionalProperties"}, path, problems)
    for name in _STRUCTURE:
        if wire.get(name) not in (None, "", [], False):
            problems.forbidden(
                f"{path}.{name}", f"must be empty to be structural: it belongs outside of {', '.join(_KIN)} and not"
            )
    _check_constraints(wire, path, problems)
    known = (beside or {}).get("properties") or {}
    others = (beside or {}).get("additionalProperties")
    is_open = beside is None or bool(beside.get("x-kubernetes-preserve-unknown-fields")) or others is True
    for name, each in (wire.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        below = known.get(name, others if isinstance(others, dict) else None)
        if below is None and not is_open:
            problems.required(where.replace(path, _outer(path), 1), f"because it is defined in {path}")
        else:
            _constraint(each, below, where, problems)
    if isinstance(wire.get("items"), dict):
        below = (beside or {}).get("items")
        if below is None and not is_open:
            problems.required(f"{_outer(path)}.items", f"because it is defined in {path}")
        else:
            _constraint(wire["items"], below, f"{path}.items", problems)
    for where, each in _kin(wire, path):
        _constraint(each, beside, where, problems)


def _outer(path: str) -> str:
    """The place of the structure that a constraint is about."""
    for word in (*(f".{each}[" for each in _KIN), ".not"):
        path = path.partition(word)[0]
    return path


# -- the root, and defaults


def _check_type_meta(wire: Wire, path: str, problems: Problems) -> None:
    known = wire.get("properties") or {}
    for name in ("apiVersion", "kind"):
        if isinstance(known.get(name), dict) and known[name].get("type") != "string":
            problems.invalid(f"{path}.properties[{name}].type", known[name].get("type") or "", "must be string")
    metadata = known.get("metadata")
    if not isinstance(metadata, dict):
        return
    where = f"{path}.properties[metadata]"
    if metadata.get("type") != "object":
        problems.invalid(f"{where}.type", metadata.get("type") or "", "must be object")
    allowed = {"name", "generateName"}
    if set(metadata.get("properties") or ()) - allowed or "additionalProperties" in metadata or "default" in metadata:
        problems.forbidden(
            where, "must not specify anything other than name and generateName, but metadata is implicitly specified"
        )


def _check_defaults(schema: structural.Schema, path: str, problems: Problems) -> None:
    """What is filled in must itself be what the schema asks for."""
    if "default" in schema.wire:
        _check_default(schema, path, problems)
    for name, each in schema.properties.items():
        _check_defaults(each, f"{path}.properties[{name}]", problems)
    for word, below in (("items", schema.items), ("additionalProperties", schema.additional)):
        if below is not None:
            _check_defaults(below, f"{path}.{word}", problems)


def _check_default(schema: structural.Schema, path: str, problems: Problems) -> None:
    value, found = schema.wire["default"], Problems()
    holder = structural.read({"type": "object", "properties": {"default": schema.wire}})
    checking.check(holder, {"default": value}, None, found)
    for field in pruning.unknown(holder, {"default": value}):
        found.invalid(field, value, "must not have unknown fields")
    for cause in found.causes:
        problems.add(cause.reason, f"{path}.{cause.field}", cause.message)
