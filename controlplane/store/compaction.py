"""Forgets old changes, so that the history stays bounded.

As in etcd, compaction at a revision keeps the newest change of each living object up to it: it may still be the state
that a page or a watch within the remaining history starts from. Each change names the revision that it replaced, so
going once over the changes that fall out of the history finds exactly what is now superseded.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.db import connection, transaction

from controlplane.store import history, read
from controlplane.store.turn import turn

_STEP = 1000
"""Revisions per transaction: writers wait for no longer than that takes."""


def compact(*, keep_seconds: float | None = None, keep_rows: int | None = None) -> int:
    """Drop what is older than ``keep_seconds`` or beyond the newest ``keep_rows`` (defaults from the settings), and
    return the compacted revision. Watches and pages that started before it get `Expired`."""
    seconds = settings.CHANGE_HISTORY_SECONDS if keep_seconds is None else keep_seconds
    rows = settings.CHANGE_HISTORY_ROWS if keep_rows is None else keep_rows
    target = _target(seconds, rows)
    compacted = history.compacted_revision()
    while compacted < target:
        compacted = _step(target)
    return compacted


def _target(keep_seconds: float, keep_rows: int) -> int:
    """The newest revision that may go."""
    old = read.query("SELECT max(revision) FROM store_change WHERE at < %s", [time.time() - keep_seconds])[0][0] or 0
    return max(int(old), history.current_revision() - keep_rows)


def _step(target: int) -> int:
    with turn(), transaction.atomic(), connection.cursor() as cursor:
        suffix = " FOR UPDATE" if connection.features.has_select_for_update else ""
        cursor.execute(f"SELECT compacted FROM store_revision WHERE id = 1{suffix}")  # noqa: S608
        start = int(cursor.fetchone()[0])
        end = min(start + _STEP, target)
        cursor.execute(
            "DELETE FROM store_change WHERE revision IN ("
            "SELECT replaces FROM store_change WHERE revision > %s AND revision <= %s AND replaces > 0)",
            [start, end],
        )
        cursor.execute(
            "DELETE FROM store_change WHERE revision > %s AND revision <= %s AND type = 'DELETED'", [start, end]
        )
        cursor.execute("UPDATE store_revision SET compacted = %s WHERE id = 1 AND compacted < %s", [end, end])
    return max(start, end)
