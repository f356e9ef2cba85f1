"""The kinds that the API serves, a module for each group. Everything generic reads this table."""

from __future__ import annotations

from schema.kind import ALL_VERBS, Kind
from schema.kinds import coordination, core, metrics, scheduling
from schema.kinds.coordination import LEASE
from schema.kinds.core import (
    CONFIG_MAP,
    EVENT,
    LIMIT_RANGE,
    NAMESPACE,
    NODE,
    POD,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE_ACCOUNT,
)
from schema.kinds.metrics import NODE_METRICS, POD_METRICS
from schema.kinds.scheduling import PRIORITY_CLASS

__all__ = [
    "ALL",
    "ALL_VERBS",
    "CONFIG_MAP",
    "DERIVED",
    "EVENT",
    "LEASE",
    "LIMIT_RANGE",
    "NAMESPACE",
    "NODE",
    "NODE_METRICS",
    "POD",
    "POD_METRICS",
    "PRIORITY_CLASS",
    "RESOURCE_QUOTA",
    "SECRET",
    "SERVICE_ACCOUNT",
    "Kind",
    "by_kind",
    "by_plural",
]

ALL: tuple[Kind, ...] = (
    *core.ALL,
    *coordination.ALL,
    *scheduling.ALL,
)

DERIVED: tuple[Kind, ...] = metrics.DERIVED
"""Served by views of their own, worked out when asked for, stored nowhere. All that is generic knows only `ALL`."""

_BY_KIND = {(kind.api_version, kind.kind): kind for kind in ALL}
_BY_PLURAL = {(kind.group, kind.version, kind.plural): kind for kind in ALL}


def by_kind(api_version: str, kind: str) -> Kind | None:
    """``by_kind("v1", "Pod")``; None for a kind that is not served."""
    return _BY_KIND.get((api_version, kind))


def by_plural(group: str, version: str, plural: str) -> Kind | None:
    """``by_plural("", "v1", "pods")``; None for a resource that is not served."""
    return _BY_PLURAL.get((group, version, plural))
