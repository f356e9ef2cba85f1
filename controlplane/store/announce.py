"""Tells everyone who waits that the history has grown.

In this process: the signal, at once. In others: the newest revision is published on Redis by a background thread, so
that a slow or absent Redis never delays a write; while it is away the readers' own poll bridges the gap. Under load
several commits share one message: only the newest number matters.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from django.conf import settings

from controlplane.store import signals
from controlplane.store.record import ChangeRecord

if TYPE_CHECKING:
    import redis

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
"""After a failure Redis is left alone this long."""


def channel() -> str:
    return f"{settings.REDIS_PREFIX}revision"


def committed(changes: list[ChangeRecord]) -> None:
    # Robust: a receiver's failure is logged and cannot turn a committed write into an error.
    signals.committed.send_robust(sender=None, changes=changes)
    _publisher.publish(changes[-1].revision)


class Publisher:
    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: int | None = None
        self._busy = False
        self._thread: threading.Thread | None = None

    def publish(self, revision: int) -> None:
        with self._condition:
            # Two threads may come here in the other order than they committed.
            self._waiting = max(revision, self._waiting or 0)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store-publisher", daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def _run(self) -> None:
        client: redis.Redis | None = None
        while True:
            revision = self._next()
            try:
                client = client or _connect()
                client.publish(channel(), revision)
                self._rest()
            except Exception as error:  # noqa: BLE001 - the thread's outer edge: any failure is only a lost hint
                logger.debug("revision %d was not published: %s", revision, error)
                client = None
                self._keep(revision)
                time.sleep(_RETRY_SECONDS)

    def _keep(self, revision: int) -> None:
        """For the next attempt, unless a newer one is there by now."""
        with self._condition:
            if self._waiting is None:
                self._waiting = revision

    def _next(self) -> int:
        with self._condition:
            while self._waiting is None:
                self._condition.wait()
            revision, self._waiting = self._waiting, None
            self._busy = True
            return revision

    def _rest(self) -> None:
        with self._condition:
            self._busy = False
            self._condition.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until everything is published; False where the time was too short."""
        with self._condition:
            return self._condition.wait_for(lambda: self._waiting is None and not self._busy, timeout=seconds)


def _connect() -> redis.Redis:
    import redis

    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0, socket_connect_timeout=2.0)


_publisher = Publisher()


def flush(seconds: float) -> bool:
    """For processes that end right after a write: a lost message costs the others a poll's time."""
    return _publisher.flush(seconds)


def _forked() -> None:
    """A fork leaves the thread, and perhaps a held lock, behind in the parent."""
    global _publisher
    _publisher = Publisher()


os.register_at_fork(after_in_child=_forked)
