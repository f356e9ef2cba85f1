"""The history of changes, and how far it reaches."""

from __future__ import annotations

import orjson

from controlplane.store import codec, kinds
from controlplane.store.errors import Expired
from controlplane.store.read import query
from controlplane.store.record import ChangeRecord, ChangeType


def current_revision() -> int:
    return int(query("SELECT value FROM store_revision WHERE id = 1")[0][0])


def compacted_revision() -> int:
    return int(query("SELECT compacted FROM store_revision WHERE id = 1")[0][0])


def require(revision: int) -> None:
    """Call it after reading: what was read is complete if nothing up to ``revision`` had been compacted by then."""
    compacted = compacted_revision()
    if revision < compacted:
        raise Expired(f"too old resource version: {revision} ({compacted})")


def changes_since(revision: int, limit: int) -> list[ChangeRecord]:
    """The changes after a revision, oldest first and without a gap. Raises `Expired`."""
    rows = query(
        "SELECT revision, kind, namespace, name, uid, type, object, previous, at FROM store_change "
        "WHERE revision > %s ORDER BY revision LIMIT %s",
        [revision, limit],
    )
    require(revision)
    return [_record(*values) for values in rows]


def _record(
    revision: int,
    kind: str,
    namespace: str,
    name: str,
    uid: str,
    type_: str,
    text: str,
    previous: str,
    at: float,
) -> ChangeRecord:
    storage = kinds.by_id(kind)
    return ChangeRecord(
        revision=revision,
        storage=storage,
        type=ChangeType(type_),
        namespace=namespace,
        name=name,
        uid=uid,
        json=codec.unseal_change(storage, uid, revision, text),
        previous=tuple(orjson.loads(previous)) if previous else None,
        at=at,
    )
