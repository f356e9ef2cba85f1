"""Reading: one statement is one snapshot, so what it returns and the revision it returns it at belong together.

Pages after the first show the state at the first page's revision, as etcd's do: rows not written since are read from
their table, those that were are read from the history.
"""

from __future__ import annotations

import base64
import binascii
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection

from controlplane.store import codec, filters, kinds
from controlplane.store.errors import Expired, Invalid, not_found
from controlplane.store.filters import Where
from controlplane.store.record import ChangeRecord, ChangeType
from controlplane.store.storage import COLUMNS, Storage
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import FieldSelector, LabelSelector

_COLUMNS = ", ".join(COLUMNS)
_BATCH = 500
"""Rows read at a time where Python has to filter, and length of IN lists."""
_Key = tuple[str, str]


@dataclass(frozen=True)
class Page:
    items: list[Wire]
    revision: int
    continue_token: str = ""
    remaining: int | None = None
    """How many objects follow; None where a selector makes it costly to know."""


def query(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def get(kind: Kind, namespace: str, name: str) -> Wire:
    storage = kinds.of(kind)
    rows = query(
        f"SELECT {_COLUMNS} FROM {storage.table} WHERE namespace = %s AND name = %s",  # noqa: S608
        [namespace if kind.namespaced else "", name],
    )
    if not rows:
        raise not_found(kind, name)
    return _wire(storage, rows[0])


def objects_where(
    storage: Storage, condition: str, parameters: Sequence[Any], *, order: str = "namespace, name"
) -> list[Wire]:
    """For the store's own questions; ``condition`` is never a client's text."""
    sql = f"SELECT {_COLUMNS} FROM {storage.table} WHERE {condition} ORDER BY {order}"  # noqa: S608
    return _wires(storage, query(sql, parameters))


def _wires(storage: Storage, rows: Iterable[Sequence[Any]]) -> list[Wire]:
    with _uncollected():
        return [_wire(storage, values) for values in rows]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Parsed JSON holds no cycles, but every 700 new dicts of it would set off the collector: for thousands of objects
    that is more than half of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _wire(storage: Storage, values: Sequence[Any]) -> Wire:
    return codec.wire(codec.row(storage, values))


def current_revision() -> int:
    return int(query("SELECT value FROM store_revision WHERE id = 1")[0][0])


def compacted_revision() -> int:
    return int(query("SELECT compacted FROM store_revision WHERE id = 1")[0][0])


def require_history(revision: int) -> None:
    """Call it after reading: what was read is complete if nothing up to ``revision`` had been compacted by then."""
    compacted = compacted_revision()
    if revision < compacted:
        raise Expired(f"too old resource version: {revision} ({compacted})")


# Lists


def list_objects(
    kind: Kind,
    *,
    namespace: str = "",
    labels: LabelSelector | None = None,
    fields: FieldSelector | None = None,
    limit: int = 0,
    continue_token: str = "",
) -> Page:
    storage = kinds.of(kind)
    where = filters.where(storage, namespace, labels, fields)
    if not limit and not continue_token:
        items, revision = _everything(storage, where)
        return Page(items, revision)
    at, after = _read_token(storage, continue_token) if continue_token else (None, None)
    items, revision, more = _some(storage, where, after, at, limit, _matcher(storage, namespace, labels, fields))
    if not more:
        return Page(items, revision)
    last = _key(items[-1])
    remaining = None if labels or fields else _count_after(storage, namespace, last)
    return Page(items, revision, _token(storage, revision, last), remaining)


def _everything(storage: Storage, where: Where) -> tuple[list[Wire], int]:
    rows, revision = _now(storage, where, None, 0)
    items = _wires(storage, rows)
    if where.is_partial:
        items = [item for item in items if where.matches_rest(storage, item)]
    return items, revision


def _some(
    storage: Storage,
    where: Where,
    after: _Key | None,
    revision: int | None,
    limit: int,
    matches: Callable[[Wire], bool],
) -> tuple[list[Wire], int, bool]:
    """Up to ``limit`` objects after a key, the revision they are of, and whether more follow. No limit: all."""
    items: list[Wire] = []
    size = max(limit + 1, _BATCH) if where.is_partial or not limit else limit + 1
    while True:
        if revision is None:
            rows, revision = _now(storage, where, after, size)
            batch = _wires(storage, rows)
        else:
            batch = _at(storage, where, after, revision, size, matches)
        items += [item for item in batch if where.matches_rest(storage, item)]
        if limit and len(items) > limit:
            return items[:limit], revision, True
        if len(batch) < size:
            return items, revision, False
        after = _key(batch[-1])


def _now(storage: Storage, where: Where, after: _Key | None, size: int) -> tuple[list[Sequence[Any]], int]:
    condition, parameters = _after(where, after)
    sql = (
        f"SELECT (SELECT value FROM store_revision WHERE id = 1), {_COLUMNS} FROM {storage.table} "  # noqa: S608
        f"WHERE {condition} ORDER BY namespace, name{' LIMIT %s' if size else ''}"
    )
    while True:
        rows = query(sql, [*parameters, size] if size else parameters)
        if rows:
            return [row[1:] for row in rows], int(rows[0][0])
        # No row carries the revision: ask for it together with the fact that there is still none.
        ((revision, any_now),) = query(
            f"SELECT value, EXISTS (SELECT 1 FROM {storage.table} WHERE {condition}) FROM store_revision WHERE id = 1",  # noqa: S608
            parameters,
        )
        if not any_now:
            return [], int(revision)


def _at(
    storage: Storage, where: Where, after: _Key | None, revision: int, size: int, matches: Callable[[Wire], bool]
) -> list[Wire]:
    """As of a former revision. The tables first, the history second: what is written in between is then in both."""
    condition, parameters = _after(where, after)
    rows = query(
        f"SELECT {_COLUMNS} FROM {storage.table} WHERE {condition} AND revision <= %s "  # noqa: S608
        "ORDER BY namespace, name LIMIT %s",
        [*parameters, revision, size],
    )
    found = {_key(item): item for item in _wires(storage, rows)}
    for item in _changed_since(storage, revision):
        key = _key(item)
        if (after is None or key > after) and matches(item):
            found.setdefault(key, item)
    require_history(revision)
    return [found[key] for key in sorted(found)[:size]]


def _changed_since(storage: Storage, revision: int) -> Iterable[Wire]:
    """What the objects that were written after the revision were at it."""
    rows = query(
        "SELECT uid, revision, object FROM store_change WHERE revision IN ("
        "SELECT replaces FROM store_change WHERE revision > %s AND kind = %s AND replaces BETWEEN 1 AND %s)",
        [revision, storage.id, revision],
    )
    for uid, at, text in rows:
        yield orjson.loads(codec.unseal_change(storage, uid, at, text))


def _after(where: Where, after: _Key | None) -> tuple[str, list[Any]]:
    if after is None:
        return where.sql, where.parameters
    return f"{where.sql} AND (namespace, name) > (%s, %s)", [*where.parameters, *after]


def _matcher(
    storage: Storage, namespace: str, labels: LabelSelector | None, fields: FieldSelector | None
) -> Callable[[Wire], bool]:
    """The whole question in Python, for objects from the history."""

    def matches(item: Wire) -> bool:
        metadata = item["metadata"]
        if namespace and metadata.get("namespace") != namespace:
            return False
        if labels and not labels.matches(metadata.get("labels")):
            return False
        return not fields or fields.matches(storage.kind.field_values(item))

    return matches


def _count_after(storage: Storage, namespace: str, after: _Key) -> int:
    condition, parameters = _after(filters.where(storage, namespace, None, None), after)
    return int(query(f"SELECT count(*) FROM {storage.table} WHERE {condition}", parameters)[0][0])  # noqa: S608


def _key(item: Wire) -> _Key:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]


def _token(storage: Storage, revision: int, last: _Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([1, storage.id, revision, *last])).decode()


def _read_token(storage: Storage, token: str) -> tuple[int, _Key]:
    try:
        version, kind, revision, namespace, name = orjson.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError):
        raise Invalid("continue: not a token of this server", kind=storage.kind) from None
    if version != 1 or kind != storage.id or not isinstance(revision, int):
        raise Invalid("continue: the token belongs to another list", kind=storage.kind)
    if not isinstance(namespace, str) or not isinstance(name, str):
        raise Invalid("continue: not a token of this server", kind=storage.kind)
    return revision, (namespace, name)


# History


def changes_since(revision: int, limit: int) -> list[ChangeRecord]:
    """The changes after a revision, oldest first and without a gap. Raises `Expired`."""
    rows = query(
        "SELECT revision, kind, namespace, name, uid, type, object, previous, at FROM store_change "
        "WHERE revision > %s ORDER BY revision LIMIT %s",
        [revision, limit],
    )
    require_history(revision)
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


# Owners


def dependents_of(uid: str) -> list[Wire]:
    """Every object of any kind with an ownerReference to the uid."""
    return _of_owner_rows(query("SELECT kind, uid FROM store_owner WHERE owner_uid = %s", [uid]))


def abandoned(limit: int = 500) -> list[Wire]:
    """Objects with an owner that no longer exists (some other owner may)."""
    missing = " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {storage.table} t WHERE t.uid = o.owner_uid)"  # noqa: S608
        for storage in kinds.ALL
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
        yield from objects_where(storage, f"uid IN ({', '.join(['%s'] * len(some))})", some)
