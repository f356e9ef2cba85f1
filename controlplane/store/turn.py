"""Writers of a SQLite file queue here, so that they are woken the moment it is their turn.

SQLite itself has no queue: a writer that finds the file locked sleeps and tries again, for up to 100 ms a time, while
the lock is held for a fraction of one. Threads of a process wait on an ordinary lock, processes on a lock of a file
beside the database, which the kernel gives back when its holder dies. It only saves time: correctness rests on SQLite's
own lock, which whoever does not come through here (sessions, users) takes as well. PostgreSQL has queues of its own.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

_lock = threading.Lock()
_descriptors: dict[str, int] = {}
"""Open lock files by database. Each process opens its own: a descriptor inherited by a fork would share the lock."""


@contextmanager
def turn() -> Iterator[None]:
    """Hold it around a whole transaction, never inside one: it must be taken before the database's lock."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with _lock:
        descriptor = _descriptor(str(connection.settings_dict["NAME"]))
        if descriptor is None:
            yield
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)


def _descriptor(database: str) -> int | None:
    """None for a database in memory: no other process can see it."""
    if database not in _descriptors:
        if not Path(database).is_absolute():
            return None
        _descriptors[database] = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return _descriptors[database]


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    for descriptor in _descriptors.values():
        os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_forked)
