"""The numbers of the subresource scale in an object: at the usual places, or where its definition says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schema.base import Wire
from schema.custom.resource import Scale
from schema.kind import Kind
from schema.selectors import of_workload

_USUAL = Scale(("spec", "replicas"), ("status", "replicas"))


def replicas(kind: Kind, wire: Wire) -> int:
    """The wanted number. Absent, it is 1 for the kinds that are built in, and 0 for custom ones, as in Kubernetes."""
    found = _at(wire, _of(kind).replicas)
    if isinstance(found, int):
        return found
    return 1 if kind.custom is None else 0


def observed(kind: Kind, wire: Wire) -> int:
    found = _at(wire, _of(kind).observed)
    return found if isinstance(found, int) else 0


def selector(kind: Kind, wire: Wire) -> str:
    """Of its pods, as text; empty where there is none."""
    if kind.custom is None:
        return str(of_workload(wire["spec"].get("selector")) or "")
    found = _at(wire, _of(kind).selector) if _of(kind).selector else ""
    return found if isinstance(found, str) else ""


def with_replicas(kind: Kind, wire: Wire, number: int) -> Wire:
    """The object with another wanted number; the one given is not changed."""
    return _put(wire, _of(kind).replicas, number)


def _of(kind: Kind) -> Scale:
    return kind.custom.scale if kind.custom is not None and kind.custom.scale is not None else _USUAL


def _at(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(wire: Any, path: Sequence[str], value: Any) -> Wire:
    here = wire if isinstance(wire, dict) else {}
    return {**here, path[0]: value if len(path) == 1 else _put(here.get(path[0]), path[1:], value)}
