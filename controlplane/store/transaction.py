"""The one way anything is written.

A transaction locks the `Revision` row before it reads anything else. Whoever holds that lock is the only writer of the
cluster, so what it reads cannot change under it, and the numbers it gives out are committed in their order: a reader
that sees revision N sees everything before N. A rollback returns its numbers; the history has no gaps.

Rows are read once, changed in memory, and flushed together at the end with one statement per table and operation, so
that a batch of two hundred statuses costs a handful of round trips. Nothing is written when nothing changed, and after a
commit `signals.committed` is sent and other processes are told over Redis.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import orjson
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from controlplane.store import announce, codec
from controlplane.store.claims import Claims, Holder
from controlplane.store.codec import Row
from controlplane.store.errors import Conflict
from controlplane.store.record import ChangeRecord, ChangeType
from controlplane.store.storage import COLUMNS, Storage
from controlplane.store.turn import turn
from schema.base import Wire

_CHUNK = 400
"""Parameters per IN list; SQLite allows 32,766 in all."""
_Key = tuple[str, str, str]


@dataclass
class _Entry:
    """What a transaction knows of one key. ``row`` is None when there is no such object (any more)."""

    row: Row | None
    whole: Wire | None = None
    """Wire form as of the last change recorded here."""
    promoted: Mapping[str, Any] = field(default_factory=dict)
    gone: list[Row] = field(default_factory=list)
    """Rows that the database holds and that were removed here."""
    touched: bool = False
    relabelled: bool = False
    reowned: bool = False


class Transaction:
    def __init__(self, cursor: CursorWrapper) -> None:
        self._cursor = cursor
        self._entries: dict[_Key, _Entry] = {}
        self._storages: dict[str, Storage] = {}
        self._whole: dict[tuple[str, str], list[_Key]] = {}
        """Kinds of which all objects of a namespace are known, with their keys."""
        self._changes: list[tuple[ChangeRecord, int]] = []
        self.claims = Claims(cursor)
        self.revision = _lock(cursor)

    # Reading

    def row(self, storage: Storage, namespace: str, name: str) -> Row | None:
        """The row as this transaction sees it. Change it only after deciding to; then call `changed`."""
        key = (storage.id, namespace, name)
        entry = self._entries.get(key)
        if entry is None:
            self._cursor.execute(
                f"SELECT {', '.join(COLUMNS)} FROM {storage.rows} WHERE namespace = %s AND name = %s",  # noqa: S608
                [namespace, name],
            )
            values = self._cursor.fetchone()
            entry = self._remember(storage, key, codec.row(storage, values) if values else None)
        return entry.row

    def preload(self, storage: Storage, keys: Iterable[tuple[str, str]]) -> None:
        """Read many rows with few statements."""
        by_namespace: dict[str, set[str]] = {}
        for namespace, name in keys:
            if (storage.id, namespace, name) not in self._entries:
                by_namespace.setdefault(namespace, set()).add(name)
        for namespace, names in by_namespace.items():
            ordered = sorted(names)
            for start in range(0, len(ordered), _CHUNK):
                self._preload(storage, namespace, ordered[start : start + _CHUNK])

    def _preload(self, storage: Storage, namespace: str, names: list[str]) -> None:
        marks = ", ".join(["%s"] * len(names))
        self._cursor.execute(
            f"SELECT {', '.join(COLUMNS)} FROM {storage.rows} WHERE namespace = %s AND name IN ({marks})",  # noqa: S608
            [namespace, *names],
        )
        found = {values[2]: codec.row(storage, values) for values in self._cursor.fetchall()}
        for name in names:
            self._remember(storage, (storage.id, namespace, name), found.get(name))

    def rows_in(self, storage: Storage, namespace: str) -> list[Row]:
        """Every object of the kind in the namespace (empty for kinds without one), as this transaction sees them. Read
        once; change them as those of `row`."""
        place = (storage.id, namespace)
        if place not in self._whole:
            self._whole[place] = [key for key in self._entries if key[:2] == place]
            self._cursor.execute(
                f"SELECT {', '.join(COLUMNS)} FROM {storage.rows} WHERE namespace = %s ORDER BY name",  # noqa: S608
                [namespace],
            )
            for values in self._cursor.fetchall():
                key = (*place, values[2])
                if key not in self._entries:
                    self._remember(storage, key, codec.row(storage, values))
        rows = (self._entries[key].row for key in self._whole[place])
        return [row for row in rows if row is not None]

    def is_empty(self, storage: Storage, namespace: str) -> bool:
        """Whether the namespace holds nothing of the kind, what this transaction did included."""
        pending = [entry for key, entry in self._entries.items() if key[0] == storage.id and key[1] == namespace]
        if any(entry.row for entry in pending):
            return False
        self._cursor.execute(f"SELECT count(*) FROM {storage.rows} WHERE namespace = %s", [namespace])  # noqa: S608
        return int(self._cursor.fetchone()[0]) == sum(len(entry.gone) for entry in pending)

    def has_dependents(self, uid: str) -> bool:
        self._cursor.execute("SELECT 1 FROM store_owner WHERE owner_uid = %s LIMIT 1", [uid])
        return self._cursor.fetchone() is not None

    def _remember(self, storage: Storage, key: _Key, row: Row | None) -> _Entry:
        self._storages[storage.id] = storage
        entry = self._entries[key] = _Entry(row)
        known = self._whole.get(key[:2])
        if known is not None:
            known.append(key)
        return entry

    # Writing

    def added(self, row: Row) -> Wire:
        entry = self._entries.get(_key(row)) or self._remember(row.storage, _key(row), None)
        whole = self._record(entry, None, row, ChangeType.ADDED)
        entry.row = row
        entry.relabelled, entry.reowned = bool(row.labels), bool(row.owner_uids)
        return whole

    def changed(self, old: Row, new: Row) -> Wire:
        """``new`` replaces ``old`` (another Row of the same object)."""
        entry = self._entries[_key(old)]
        whole = self._record(entry, self._before(entry, old), new, ChangeType.MODIFIED)
        entry.row = new
        entry.relabelled |= old.labels != new.labels
        entry.reowned |= old.owner_uids != new.owner_uids
        return whole

    def removed(self, row: Row, *, last: Row | None = None) -> Wire:
        """``last`` is the object's final state, where the change that removes it altered it too."""
        entry = self._entries[_key(row)]
        whole = self._record(entry, self._before(entry, row), last or row, ChangeType.DELETED)
        if row.stored:
            entry.gone.append(row)
        entry.row = entry.whole = None
        return whole

    def _before(self, entry: _Entry, row: Row) -> Wire:
        return entry.whole or codec.wire(row)

    def _record(self, entry: _Entry, before: Wire | None, row: Row, type_: ChangeType) -> Wire:
        """Note a change. Raises `Invalid` before it has touched anything."""
        storage, replaces = row.storage, row.revision
        revised = replace(row, revision=self.revision + 1)
        whole = codec.wire(revised)
        record = ChangeRecord(
            revision=revised.revision,
            storage=storage,
            type=type_,
            namespace=row.namespace,
            name=row.name,
            uid=row.uid,
            json=codec.dumps(whole),
            previous=_previous(storage, before, whole),
            at=time.time(),
        )
        entry.promoted = storage.promote(whole)
        before_claims = {} if type_ is ChangeType.ADDED or before is None else storage.claims(before)
        claims = {} if type_ is ChangeType.DELETED else storage.claims(whole)
        if before_claims.keys() != claims.keys():
            self.claims.replace(
                storage.kind, Holder(storage.id, row.namespace, row.name, row.uid), before_claims, claims
            )
        entry.whole, entry.touched = whole, True
        row.revision = self.revision = revised.revision
        self._changes.append((record, replaces))
        return whole

    # The end

    def flush(self) -> list[ChangeRecord]:
        if not self._changes:
            return []
        for storage in self._storages.values():
            entries = [entry for key, entry in self._entries.items() if key[0] == storage.id and entry.touched]
            if entries:
                self._flush(storage, entries)
        self.claims.flush()
        self._cursor.executemany(_INSERT_CHANGE, [_change_values(*change) for change in self._changes])
        self._cursor.execute("UPDATE store_revision SET value = %s WHERE id = 1", [self.revision])
        return [record for record, _ in self._changes]

    def _flush(self, storage: Storage, entries: list[_Entry]) -> None:
        gone = [row for entry in entries for row in entry.gone]
        kept = [(entry.row, entry) for entry in entries if entry.row]
        # Deletes first: a name may have been given to a new object in the same transaction.
        self._each(storage.delete_sql, [[row.uid, row.stored] for row in gone])
        self._forget("store_label", [row.uid for row in gone if row.labels])
        self._forget("store_owner", [row.uid for row in gone if row.owner_uids])
        inserts, updates = [], []
        for row, entry in kept:
            values = codec.columns(row, entry.promoted)
            if row.stored:
                updates.append([*values[3:], row.uid, row.stored])
            else:
                inserts.append(values)
        self._each(storage.insert_sql, inserts)
        self._each(storage.update_sql, updates)
        self._flush_labels(storage, [row for row, entry in kept if entry.relabelled])
        self._flush_owners(storage, [row for row, entry in kept if entry.reowned])

    def _flush_labels(self, storage: Storage, rows: list[Row]) -> None:
        self._forget("store_label", [row.uid for row in rows if row.stored])
        values = [[row.uid, key, value, storage.id] for row in rows for key, value in row.labels.items()]
        self._each("INSERT INTO store_label (uid, key, value, kind) VALUES (%s, %s, %s, %s)", values)

    def _flush_owners(self, storage: Storage, rows: list[Row]) -> None:
        self._forget("store_owner", [row.uid for row in rows if row.stored])
        values = [[row.uid, owner, storage.id] for row in rows for owner in sorted(row.owner_uids)]
        self._each("INSERT INTO store_owner (uid, owner_uid, kind) VALUES (%s, %s, %s)", values)

    def _forget(self, table: str, uids: list[str]) -> None:
        if uids:
            self._cursor.executemany(f"DELETE FROM {table} WHERE uid = %s", [[uid] for uid in uids])  # noqa: S608

    def _each(self, sql: str, parameters: list[list[Any]]) -> None:
        if not parameters:
            return
        self._cursor.executemany(sql, parameters)
        if self._cursor.rowcount != len(parameters):
            raise Conflict("somebody wrote to the database without taking the revision lock")


@contextmanager
def begin(*, dry_run: bool = False) -> Iterator[Transaction]:
    """Commit at the end of the block, or nothing at all. A dry run does everything but the writing."""
    nested = connection.in_atomic_block
    with turn(), transaction.atomic():
        with connection.cursor() as cursor:
            current = Transaction(cursor)
            yield current
            records = [] if dry_run else current.flush()
        if nested and records:
            transaction.on_commit(partial(announce.committed, records))
    # Not by on_commit here: that would keep the next writer waiting for the receivers.
    if not nested and records:
        announce.committed(records)


_INSERT_CHANGE = (
    "INSERT INTO store_change (revision, kind, namespace, name, uid, type, object, previous, replaces, at) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def _change_values(record: ChangeRecord, replaces: int) -> list[Any]:
    previous = record.changed_from
    return [
        record.revision,
        record.storage.id,
        record.namespace,
        record.name,
        record.uid,
        record.type.value,
        codec.seal_change(record.storage, record.uid, record.revision, record.json),
        orjson.dumps(previous).decode() if previous else "",
        replaces,
        record.at,
    ]


def _previous(storage: Storage, before: Wire | None, after: Wire) -> tuple[dict[str, str], dict[str, str]] | None:
    """Labels and selectable fields before a change, if they are others now."""
    if before is None:
        return None
    old = (before["metadata"].get("labels") or {}, storage.kind.field_values(before))
    new = (after["metadata"].get("labels") or {}, storage.kind.field_values(after))
    return old if old != new else None


def _lock(cursor: CursorWrapper) -> int:
    # On SQLite the transaction began IMMEDIATE and holds the database's one write lock already.
    suffix = " FOR UPDATE" if connection.features.has_select_for_update else ""
    cursor.execute(f"SELECT value FROM store_revision WHERE id = 1{suffix}")  # noqa: S608
    found = cursor.fetchone()
    if found is None:
        raise Conflict("the store has no history yet: run `manage.py migrate`")
    return int(found[0])


def _key(row: Row) -> _Key:
    return row.storage.id, row.namespace, row.name
