"""The base of every wire type, and the markers its fields carry.

A field says once what it is: its type and bounds in pydantic's words, and in markers how lists merge (`ListKey`,
`ListSet`, `RetainKeys`; a list without one is atomic), which words are allowed (`OneOf`) and whether Slipway honours it
already (`NotYet`). Validation, strategic merge, OpenAPI and explain are derived from these declarations.

Defaults of `ApiModel` fields are the zero value of the wire format ("", 0, false, empty), never what the API server
fills in (see `schema.defaulting`); a field whose zero means something else than its absence is ``X | None = None``. So
leaving out what equals its default is what the wire format means by an absent field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Wire = dict[str, Any]
"""An object as it travels: the parsed JSON of the Kubernetes wire format."""


@dataclass(frozen=True)
class ListKey:
    """How a list is merged: elements are one element when these fields agree.

    ``strategic`` is the single key of strategic merge patch (``x-kubernetes-patch-merge-key``); ``apply`` holds the
    keys of server-side apply (``x-kubernetes-list-map-keys``), which may be several.
    """

    strategic: str
    apply: tuple[str, ...] = ()

    @property
    def map_keys(self) -> tuple[str, ...]:
        return self.apply or (self.strategic,)


@dataclass(frozen=True)
class ListSet:
    """A list of scalars merged as a set (finalizers)."""


@dataclass(frozen=True)
class RetainKeys:
    """A union of which strategic merge keeps only the keys that the patch names (Deployment strategy, Volume)."""


@dataclass(frozen=True)
class Atomic:
    """A map that server-side apply owns as a whole (``x-kubernetes-map-type: atomic``)."""


class OneOf(frozenset[str]):
    """The words a string field may hold. Checked by validation, not on reading, so that old readers survive new words."""

    def __new__(cls, *words: str) -> Self:
        return super().__new__(cls, words)


@dataclass(frozen=True)
class NotYet:
    """The field is accepted, stored and returned, but Slipway does not act on it: writers get ``reason`` as a warning.

    ``unless`` is a value for which there is nothing to warn about, because it is what Slipway does anyway.
    """

    reason: str
    unless: Any = None

    def concerns(self, value: Any) -> bool:
        """Whether this value asks for something that does not happen."""
        if value is False:
            return self.unless is True
        return value not in (None, "", [], {}) and value != self.unless


@dataclass(frozen=True)
class Format:
    """``format`` in OpenAPI where it does not follow from the Python type (int64, byte)."""

    name: str


_ACRONYMS = {
    "ip": "IP",
    "ips": "IPs",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "id": "ID",
    "uuid": "UUID",
    "pid": "PID",
    "ipc": "IPC",
    "wwns": "WWNs",
    "uri": "URI",
    "url": "URL",
    "api": "API",
}


def wire_name(name: str) -> str:
    """The Kubernetes spelling of an attribute: ``volume_mounts`` is volumeMounts, ``host_ip`` hostIP."""
    first, *rest = name.split("_")
    return first + "".join(_ACRONYMS.get(part) or part.capitalize() for part in rest)


class Model(BaseModel):
    """A wire type: camelCase outside, snake_case inside, unknown fields kept apart for field validation."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="allow",
        strict=True,
        validate_default=False,
        protected_namespaces=(),
    )

    @classmethod
    def parse(cls, wire: Wire) -> Self:
        """Read a wire object; unknown fields are kept. Raises pydantic's ValidationError for wrong types."""
        return cls.model_validate(wire)

    def wire(self) -> Wire:
        """The object as it travels; absent fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ApiModel(Model):
    """A type of the Kubernetes API. Built at first use: a process pays only for the types it reads."""

    model_config = ConfigDict(alias_generator=wire_name, defer_build=True)

    map_type: ClassVar[Literal["granular", "atomic"]] = "granular"
    """How server-side apply owns it: by field, or as a whole (references, selectors)."""

    def wire(self) -> Wire:
        """The object as it travels; what equals its zero value is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
