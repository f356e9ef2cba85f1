"""Puts what agents say about usage where everybody can read it (`controlplane.metrics`).

Only the newest of each node waits, so a Redis that is slow or away costs neither memory nor the agents' patience.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from redis.exceptions import RedisError

from controlplane.metrics import current
from controlplane.nodes import tasks
from controlplane.nodes.bus import Bus
from schema.session import Metrics

log = logging.getLogger(__name__)


class MetricsWriter:
    """One per process and event loop."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: dict[str, Metrics] = {}
        self._task: asyncio.Task[Any] | None = None
        self._complained = False

    def put(self, node: str, metrics: Metrics) -> None:
        """Does not wait."""
        self._waiting[node] = metrics
        if self._task is None or self._task.done():
            self._task = tasks.spawn(self._write(), name="metrics writer")

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                async with self._bus.client.pipeline(transaction=False) as pipe:
                    for node, metrics in batch.items():
                        pipe.set(current.key(node), current.encode(metrics), ex=current.kept_seconds())
                    await pipe.execute()
            except (RedisError, OSError) as error:
                if not self._complained:
                    log.warning("metrics are not kept while redis is away: %s", error)
                self._complained = True
            else:
                self._complained = False
