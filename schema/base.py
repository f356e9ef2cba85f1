"""The base of every wire type, and the markers its fields carry.

A field says once what it is: its type, default and bounds in pydantic's words, and how lists are merged in the
`ListKey` marker. Validation, strategic merge, OpenAPI and Table are derived from these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class ListSet:
    """A list of scalars merged as a set (finalizers)."""


@dataclass(frozen=True)
class RetainKeys:
    """A union of which strategic merge keeps only the keys that the patch names (Deployment strategy, Volume)."""


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

    def wire(self) -> Wire:
        """The object as it travels; absent fields are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
