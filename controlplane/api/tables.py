"""The Table form of objects and lists: what ``kubectl get`` prints. Columns come from ``kinds/<kind>.py``."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

from controlplane.api import columns
from controlplane.api.columns import Column
from controlplane.api.errors import BadRequest
from schema.base import Wire
from schema.kinds import Kind

INCLUDE = ("None", "Metadata", "Object")


@lru_cache(maxsize=256)
def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The kind's own columns, or name and age where it has no module of its own."""
    name = f"controlplane.api.kinds.{kind.singular}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return (columns.NAME, columns.AGE)
    found: tuple[Column, ...] = module.COLUMNS
    return found


def include(query_value: str) -> str:
    """The ``includeObject`` parameter."""
    if query_value and query_value not in INCLUDE:
        raise BadRequest(f'unrecognized includeObject value: "{query_value}"')
    return query_value or "Metadata"


def definitions(kind: Kind) -> list[Wire]:
    return [column.definition() for column in columns_of(kind)]


def row(shown: Sequence[Column], wire: Wire, *, included: str, version: str) -> Wire:
    made: Wire = {"cells": [column.cell(wire) for column in shown]}
    if included == "Object":
        made["object"] = wire
    elif included == "Metadata":
        made["object"] = metadata_only(wire, version)
    return made


def table(
    kind: Kind, items: Iterable[Wire], metadata: Wire, *, included: str, version: str, with_columns: bool = True
) -> Wire:
    """``metadata`` is the list's own, or the object's resourceVersion. A watch defines its columns only once."""
    shown = columns_of(kind)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if with_columns else None,
        "rows": [row(shown, item, included=included, version=version) for item in items],
    }


def metadata_only(wire: Wire, version: str) -> Wire:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": wire.get("metadata", {}),
    }
