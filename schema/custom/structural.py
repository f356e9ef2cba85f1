"""A schema read into a tree, once for each definition: what the walks over objects go along."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from schema.base import Wire

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


@dataclass(frozen=True, eq=False)
class Schema:
    """One place of a schema. ``wire`` is the schema as it was written, for what only some places have."""

    wire: Wire
    type: str
    nullable: bool
    properties: dict[str, Schema] = field(default_factory=dict)
    additional: Schema | None = None
    """Of the values of a map."""
    open: bool = False
    """Unknown fields are kept."""
    items: Schema | None = None
    embedded: bool = False
    int_or_string: bool = False
    map_keys: tuple[str, ...] = ()
    """Of a list of the type map."""
    is_set: bool = False

    @cached_property
    def has_defaults(self) -> bool:
        below = [*self.properties.values(), *(each for each in (self.additional, self.items) if each)]
        return "default" in self.wire or any(each.has_defaults for each in below)


def read(wire: Wire) -> Schema:
    """Of a schema that is sound (`schema.validation.structural`)."""
    given = wire.get("additionalProperties")
    items = wire.get("items")
    list_type = wire.get("x-kubernetes-list-type")
    return Schema(
        wire=wire,
        type=wire.get("type") or "",
        nullable=bool(wire.get("nullable")),
        properties={name: read(each) for name, each in (wire.get("properties") or {}).items()},
        additional=read(given) if isinstance(given, dict) else None,
        open=bool(wire.get("x-kubernetes-preserve-unknown-fields")) or given is True,
        items=read(items) if isinstance(items, dict) else None,
        embedded=bool(wire.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(wire.get("x-kubernetes-int-or-string")),
        map_keys=tuple(wire.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else (),
        is_set=list_type == "set",
    )


EMPTY = read({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
"""Of a version without a schema."""

TYPE_META = ("apiVersion", "kind", "metadata")
"""Fields of every object, whatever its schema says of them."""


def child(schema: Schema, name: str) -> Schema | None:
    """The schema of a field; None where it has none of its own."""
    return schema.properties.get(name) or schema.additional


def is_known(schema: Schema, name: str) -> bool:
    return schema.open or child(schema, name) is not None or (schema.embedded and name in TYPE_META)


def key_of(schema: Schema, element: Any) -> Any:
    """What names an element of a list of the type map; an absent key is its default."""
    of = schema.items.properties if schema.items else {}

    def value(name: str) -> Any:
        default = of[name].wire.get("default") if name in of else None
        return element.get(name, default)

    return tuple(repr(value(name)) for name in schema.map_keys) if isinstance(element, dict) else None
