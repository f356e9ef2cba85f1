"""Rotation of the encryption key: content keeps its revision, only its cover changes.

Rows are rewritten in small transactions under the revision lock, so that no writer's newer content is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from controlplane.store import codec, encryption, kinds, transaction
from controlplane.store.storage import Storage

_BATCH = 200


def reseal() -> int:
    """Returns how many rows were rewritten."""
    sealed = [storage for storage in kinds.ALL if storage.encrypted]
    return sum(_reseal_objects(storage) + _reseal_changes(storage) for storage in sealed)


def _reseal_objects(storage: Storage) -> int:
    return _sweep(
        f"SELECT uid, metadata, spec FROM {storage.table} WHERE uid > %s ORDER BY uid LIMIT %s",  # noqa: S608
        [],
        "",
        f"UPDATE {storage.table} SET metadata = %s, spec = %s WHERE uid = %s",  # noqa: S608
        lambda row: codec.reseal_parts(storage, *row),
    )


def _reseal_changes(storage: Storage) -> int:
    return _sweep(
        "SELECT revision, uid, object FROM store_change WHERE kind = %s AND revision > %s ORDER BY revision LIMIT %s",
        [storage.id],
        0,
        "UPDATE store_change SET object = %s WHERE revision = %s",
        lambda row: codec.reseal_change(storage, *row),
    )


def _sweep(
    select: str,
    parameters: list[Any],
    after: Any,
    update: str,
    rewrite: Callable[[Sequence[Any]], list[Any]],
) -> int:
    """Go over a table by its key, the first column, and rewrite what a former key sealed (the last column tells)."""
    count = 0
    while True:
        with transaction.begin(), connection.cursor() as cursor:
            cursor.execute(select, [*parameters, after, _BATCH])
            rows = cursor.fetchall()
            outdated = [rewrite(row) for row in rows if not encryption.is_current(row[-1])]
            if outdated:
                cursor.executemany(update, outdated)
        count += len(outdated)
        if len(rows) < _BATCH:
            return count
        after = rows[-1][0]
