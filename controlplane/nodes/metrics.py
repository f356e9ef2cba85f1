"""Puts what agents say about usage where everybody can read it (`controlplane.metrics`).

Only the newest of each node waits, so a Redis that is slow or away costs neither memory nor the agents' patience.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from controlplane.metrics import current, history
from controlplane.metrics.history import Entry, Gathering
from controlplane.nodes import tasks
from controlplane.nodes.bus import Bus
from schema.session import Metrics

log = logging.getLogger(__name__)

MAX_ENTRIES = 20_000
"""Of the history, that wait for Redis; beyond it the oldest are lost."""


class MetricsWriter:
    """One per process and event loop."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, Metrics] = {}
        self._task: asyncio.Task[Any] | None = None
        self._complained = False
        self._gatherings: dict[str, Gathering] = {}
        self._entries: deque[Entry] = deque(maxlen=MAX_ENTRIES)

    def put(self, node: str, metrics: Metrics) -> None:
        """Does not wait."""
        self._waiting[node] = metrics
        gathering = self._gatherings.get(node)
        if gathering is None:
            gathering = self._gatherings[node] = Gathering(node, settings.METRICS_HISTORY_STEP_SECONDS)
        self._entries.extend(gathering.add(metrics))
        if self._task is None or self._task.done():
            self._task = tasks.spawn(self._write(), name="metrics writer")

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            entries, self._entries = self._entries, deque(maxlen=MAX_ENTRIES)
            try:
                async with self._bus.client.pipeline(transaction=False) as pipe:
                    for node, metrics in batch.items():
                        pipe.set(current.key(node), current.encode(metrics), ex=current.kept_seconds())
                    for entry in entries:
                        pipe.zadd(entry.key, {entry.encode(): entry.step})
                        pipe.zremrangebyscore(entry.key, "-inf", entry.step - history.KEPT_SECONDS)
                        pipe.expire(entry.key, history.KEPT_SECONDS)
                    await pipe.execute()
            except (RedisError, OSError) as error:
                if not self._complained:
                    log.warning("metrics are not kept while redis is away: %s", error)
                self._complained = True
                self._entries.extendleft(reversed(entries))
            else:
                self._complained = False
