"""What a kind that was made from a definition knows beyond what every kind knows."""

from __future__ import annotations

from dataclasses import dataclass

from schema.custom.structural import Schema
from schema.meta import Object


class CustomObject(Object):
    """An object of a custom kind. What it holds beside its metadata its definition's schema says."""


@dataclass(frozen=True)
class Column:
    """A column of the Table, as the definition has it."""

    name: str
    type: str
    format: str
    description: str
    priority: int
    path: str


@dataclass(frozen=True)
class Scale:
    """Where the numbers of the subresource scale are."""

    replicas: tuple[str, ...]
    observed: tuple[str, ...]
    selector: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Custom:
    """Of one version of a custom kind."""

    definition: str
    """Name of the CustomResourceDefinition."""
    schema: Schema
    columns: tuple[Column, ...] | None = None
    """None: the usual ones."""
    scale: Scale | None = None
    warning: str = ""
    """For whoever uses a deprecated version."""
    terminating: bool = False
    """The definition is being deleted: nothing new is made."""
