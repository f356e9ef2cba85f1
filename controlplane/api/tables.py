"""The Table form of objects and lists: what ``kubectl get`` prints. Columns come from ``kinds/<kind>.py``."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from controlplane.api import columns, custom
from controlplane.api.columns import Column
from controlplane.api.errors import BadRequest
from schema.base import Wire
from schema.kinds import Kind

Shown = Callable[[Wire], Wire]
INCLUDE = ("None", "Metadata", "Object")


@lru_cache(maxsize=256)
def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's own columns, or name and age where it has no module of its own."""
    if kind.custom is not None:
        return custom.columns(kind.custom)
    name = f"controlplane.api.kinds.{kind.singular}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return (columns.NAME, columns.AGE)
    found: tuple[Column, ...] = module.COLUMNS
    return found


def as_stored(wire: Wire) -> Wire:
    return wire


def include(query_value: str) -> str:
    """The ``includeObject`` parameter."""
    if query_value and query_value not in INCLUDE:
        raise BadRequest(f'unrecognized includeObject value: "{query_value}"')
    return query_value or "Metadata"


def definitions(kind: Kind) -> list[Wire]:
    return [column.definition() for column in columns_of(kind)]


def row(columns: Sequence[Column], wire: Wire, *, included: str, version: str, shown: Shown) -> Wire:
    made: Wire = {"cells": [column.cell(wire) for column in columns]}
    if included == "Object":
        made["object"] = shown(wire)
    elif included == "Metadata":
        made["object"] = metadata_only(shown(wire), version)
    return made


def table(
    kind: Kind,
    items: Iterable[Wire],
    metadata: Wire,
    *,
    included: str,
    version: str,
    with_columns: bool = True,
    shown: Shown = as_stored,
) -> Wire:
    """``metadata`` is the list's own, or the object's resourceVersion. A watch defines its columns only once. ``shown`` makes
    of an object what is included of it."""
    columns = columns_of(kind)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if with_columns else None,
        "rows": [row(columns, item, included=included, version=version, shown=shown) for item in items],
    }


def metadata_only(wire: Wire, version: str) -> Wire:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": wire.get("metadata", {}),
    }
