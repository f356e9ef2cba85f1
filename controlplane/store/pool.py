"""Where async code does its database work: a few threads that live as long as the process and keep their connections.

``await pool.run(fn, *args)`` costs a queue hop of some tens of microseconds; a thread and a connection per request, as
``sync_to_async`` under ASGI makes them, cost milliseconds. The function runs to its end even if the awaiting task is
cancelled: a write is never cut in the middle. Few threads suffice: SQLite has one writer, and Python one interpreter
lock; with PostgreSQL most of the time is spent waiting for its disk.

In tests a function in the pool has another connection than the test: use ``@pytest.mark.django_db(transaction=True)``,
because what a plain ``django_db`` test writes is never committed and so never seen here. The test database is a file
(settings), not memory, for the same reason. The connections are closed at the end of the session by
`close_connections` (tests/conftest.py), so that the database can be dropped.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections

_P = ParamSpec("_P")
_T = TypeVar("_T")

_IDLE_SECONDS = 30.0
"""A connection unused for longer is checked before it is used again: the server may have gone away meanwhile."""


class Pool:
    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._used = threading.local()

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(self._call, partial(function, *args, **kwargs)))

    def _call(self, function: Callable[[], _T]) -> _T:
        now = time.monotonic()
        if now - getattr(self._used, "at", 0.0) > _IDLE_SECONDS:
            _check()
        try:
            return function()
        finally:
            self._used.at = now
            _drop_broken()

    def close_connections(self) -> None:
        """Close every thread's connections; each opens a new one when it is next used."""
        # A barrier, so that each thread gets exactly one of the calls.
        barrier = threading.Barrier(self.threads)
        wait([self._executor.submit(_close, barrier) for _ in range(self.threads)])


def _check() -> None:
    for connection in connections.all(initialized_only=True):
        connection.health_check_done = False  # type: ignore[attr-defined] # else it is only done once
        connection.close_if_unusable_or_obsolete()


def _drop_broken() -> None:
    """After an error that Django noted, the connection is tested and closed if it is broken."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _close(barrier: threading.Barrier) -> None:
    barrier.wait(timeout=30)
    connections.close_all()


def _new() -> Pool:
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    return Pool(getattr(settings, "STORE_THREADS", 4 if sqlite else 8))


_pool = _new()


def _forked() -> None:
    """A fork leaves the threads behind in the parent, and connections must not be shared with it."""
    global _pool
    _pool = _new()


os.register_at_fork(after_in_child=_forked)


async def run(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a synchronous function that uses the database; its result or exception comes back."""
    return await _pool.run(function, *args, **kwargs)


def close_connections() -> None:
    _pool.close_connections()
