"""Reading objects as they are now. One statement is one snapshot."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection

from controlplane.store import codec, kinds
from controlplane.store.errors import not_found
from controlplane.store.storage import COLUMNS, Storage
from schema.base import Wire
from schema.kinds import Kind

COLUMN_LIST = ", ".join(COLUMNS)


def query(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def get(kind: Kind, namespace: str, name: str) -> Wire:
    storage = kinds.of(kind)
    return wire(storage, _row(storage, namespace, name))


def get_encoded(kind: Kind, namespace: str, name: str) -> bytes:
    """The object as JSON text, put together without parsing what the row holds."""
    storage = kinds.of(kind)
    return codec.encoded(storage, _row(storage, namespace, name))


def _row(storage: Storage, namespace: str, name: str) -> Sequence[Any]:
    kind = storage.kind
    rows = query(
        f"SELECT {COLUMN_LIST} FROM {storage.rows} WHERE namespace = %s AND name = %s",  # noqa: S608
        [namespace if kind.namespaced else "", name],
    )
    if not rows:
        raise not_found(kind, name)
    return rows[0]


def objects_where(
    storage: Storage, condition: str, parameters: Sequence[Any], *, order: str = "namespace, name"
) -> list[Wire]:
    """For the store's own questions; ``condition`` is never a client's text."""
    rows = query(f"SELECT {COLUMN_LIST} FROM {storage.rows} WHERE {condition} ORDER BY {order}", parameters)  # noqa: S608
    with uncollected():
        return [wire(storage, values) for values in rows]


@contextmanager
def uncollected() -> Iterator[None]:
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


def wire(storage: Storage, values: Sequence[Any]) -> Wire:
    return codec.wire(codec.row(storage, values))
