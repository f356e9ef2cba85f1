"""Counts failures by address, so that guessing passwords or tokens is slow.

Counted in this process and in Redis, so that many web processes are not many chances. Without Redis each process counts
for itself: the count fails open, the check of the credential never does.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from functools import lru_cache
from typing import cast

import redis
from django.conf import settings

from controlplane.access.errors import TooManyFailures

log = logging.getLogger(__name__)

REDIS_TIMEOUT_SECONDS = 0.2
REDIS_PAUSE_SECONDS = 5.0
"""How long Redis is left alone after it failed to answer: an outage must not slow every login."""
MAX_KEYS = 10_000


class Failures:
    """Failures per key in windows of ``window_seconds``; at ``limit`` the key is refused until its window ends."""

    def __init__(self, name: str, *, limit: int, window_seconds: int) -> None:
        self._name = name
        self._limit = limit
        self._window_seconds = window_seconds
        self._counts: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, key: str) -> None:
        """Raises `TooManyFailures`."""
        count, ends = self._here(key)
        if max(count, _shared.count(self._shared_key(key))) >= self._limit:
            left = ends - time.monotonic() if count else self._window_seconds
            raise TooManyFailures(max(1, round(left)))

    def record(self, key: str) -> None:
        count, ends = self._here(key)
        with self._lock:
            self._counts[key] = (count + 1, ends)
            self._counts.move_to_end(key)
            while len(self._counts) > MAX_KEYS:
                self._counts.popitem(last=False)
        _shared.add(self._shared_key(key), self._window_seconds)

    def clear(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)
        _shared.remove(self._shared_key(key))

    def _here(self, key: str) -> tuple[int, float]:
        """Count and end of the current window, in this process."""
        now = time.monotonic()
        with self._lock:
            count, ends = self._counts.get(key, (0, 0.0))
        return (count, ends) if ends > now else (0, now + self._window_seconds)

    def _shared_key(self, key: str) -> str:
        # Hashed: the key holds a user name, which is sometimes a password typed into the wrong field.
        return f"{settings.REDIS_PREFIX}failures:{self._name}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"


class _Shared:
    """The counts in Redis; every trouble with it reads as nothing counted."""

    def __init__(self) -> None:
        self._paused_until = 0.0

    def count(self, key: str) -> int:
        if time.monotonic() < self._paused_until:
            return 0
        try:
            return int(cast("bytes | None", _client().get(key)) or 0)
        except (redis.RedisError, ValueError) as error:
            self._pause(error)
            return 0

    def add(self, key: str, window_seconds: int) -> None:
        if time.monotonic() < self._paused_until:
            return
        try:
            with _client().pipeline(transaction=True) as pipeline:
                pipeline.set(key, 0, ex=window_seconds, nx=True)
                pipeline.incr(key)
                pipeline.execute()
        except redis.RedisError as error:
            self._pause(error)

    def remove(self, key: str) -> None:
        if time.monotonic() < self._paused_until:
            return
        try:
            _client().delete(key)
        except redis.RedisError as error:
            self._pause(error)

    def _pause(self, error: Exception) -> None:
        self._paused_until = time.monotonic() + REDIS_PAUSE_SECONDS
        log.warning("failed attempts are counted per process only: %s", type(error).__name__)


@lru_cache(maxsize=1)
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
    )


_shared = _Shared()

tokens = Failures("token", limit=100, window_seconds=60)
"""By address. Generous: a forgotten client with an old token must not lock out its neighbours behind one address."""
logins = Failures("login", limit=10, window_seconds=300)
"""By address and user name, so that nobody can lock another person out from elsewhere."""
login_addresses = Failures("login-address", limit=50, window_seconds=300)
"""By address alone: one password tried on many names."""
