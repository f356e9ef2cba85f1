"""What the server knows of one kind, whatever the kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schema.base import Wire
from schema.meta import Object

if TYPE_CHECKING:
    from schema.custom.resource import Custom

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind and how it is served. Kinds are compared by identity: there is one object for each."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    model: type[Object] = field(repr=False)
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    selectable_fields: tuple[str, ...] = ()
    """Fields of field selectors beside metadata.name and metadata.namespace, which every kind has."""
    delete_returns_object: bool = False
    """A delete answers with the object instead of a Status, as clients with typed answers expect."""
    field_aliases: tuple[tuple[str, str], ...] = ()
    """Selectable names that read another field: (``source``, ``source.component``)."""
    list_name: str = ""
    """The kind of a list, where it is not the kind and ``List``."""
    custom: Custom | None = field(default=None, repr=False)
    """What a definition says of its fields, in place of a model; None for the kinds that are built in."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def list_kind(self) -> str:
        return self.list_name or f"{self.kind}List"

    @property
    def group_resource(self) -> str:
        """``pods``, ``leases.coordination.k8s.io``: as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources

    @property
    def all_selectable_fields(self) -> tuple[str, ...]:
        return ("metadata.name", "metadata.namespace", *self.selectable_fields)

    def field_values(self, wire: Wire) -> dict[str, str]:
        """The selectable fields of an object, as `FieldSelector.matches` wants them; absent ones are empty."""
        aliases = dict(self.field_aliases)
        return {name: _text(wire, aliases.get(name, name)) for name in self.all_selectable_fields}

    def __str__(self) -> str:
        return self.group_resource


@dataclass(frozen=True, eq=False)
class Version:
    """A kind as it is served in another version than the one that is stored. Both are read, written and watched; versions
    are told apart at the API's edge only, and all that is behind it knows the stored one."""

    kind: Kind
    """As it is served."""
    stored: Kind
    from_stored: Callable[[Wire], Wire]
    to_stored: Callable[[Wire], Wire]
    """Of an object that is sound in its structure. Raises `Unconvertible`."""


class Unconvertible(ValueError):
    """An object of one version that has no meaning in the other."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


def _text(wire: Wire, path: str) -> str:
    value: Any = wire
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
