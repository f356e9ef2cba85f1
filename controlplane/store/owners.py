"""From an owner to what it owns, for garbage collection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controlplane.store import kinds, read
from controlplane.store.read import query
from controlplane.store.storage import Storage
from schema.base import Wire

_BATCH = 500
"""Length of IN lists."""


def dependents_of(uid: str) -> list[Wire]:
    """Every object of any kind with an ownerReference to the uid."""
    return _of_owner_rows(query("SELECT kind, uid FROM store_owner WHERE owner_uid = %s", [uid]))


def abandoned(limit: int = 500) -> list[Wire]:
    """Objects with an owner that no longer exists (some other owner may)."""
    missing = " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {table} t WHERE t.uid = o.owner_uid)"  # noqa: S608
        for table in kinds.TABLES
    )
    return _of_owner_rows(query(f"SELECT DISTINCT o.kind, o.uid FROM store_owner o WHERE {missing} LIMIT %s", [limit]))  # noqa: S608


def _of_owner_rows(rows: list[tuple[str, str]] | list[tuple[Any, ...]]) -> list[Wire]:
    by_kind: dict[str, list[str]] = {}
    for kind, uid in rows:
        by_kind.setdefault(kind, []).append(uid)
    return [item for kind, uids in sorted(by_kind.items()) for item in _by_uid(kinds.by_id(kind), uids)]


def _by_uid(storage: Storage, uids: list[str]) -> Iterable[Wire]:
    for start in range(0, len(uids), _BATCH):
        some = uids[start : start + _BATCH]
        yield from read.objects_where(storage, f"uid IN ({', '.join(['%s'] * len(some))})", some)
