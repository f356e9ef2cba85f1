"""Takes a reading now and then and says what was used since the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from nodeagent.metrics import rates
from nodeagent.metrics.rates import Reading
from nodeagent.metrics.reading import Place, read
from nodeagent.node_status import Disk
from nodeagent.pods.record import Record
from nodeagent.pods.state import Phase
from schema.session import Metrics


class Meter:
    def __init__(self, cgroup_parent: str, home: Path) -> None:
        self._cgroup_parent = cgroup_parent
        self._home = home
        self._last: Reading | None = None

    async def take(self, records: Iterable[Record], now: datetime) -> Metrics | None:
        """None at the first time, and where there was one a moment ago."""
        places = [place_of(record) for record in records]
        reading = await asyncio.to_thread(read, places, cgroup_parent=self._cgroup_parent, now=now)
        before, self._last = self._last, reading
        metrics = None if before is None else rates.between(before, reading)
        if metrics is not None:
            metrics.node_disk_bytes = await asyncio.to_thread(lambda: Disk.under(self._home).used_bytes)
        return metrics


def place_of(record: Record) -> Place:
    running = {
        name: (known.container_id, known.started_at)
        for name, known in record.state.containers.items()
        if known.phase is Phase.RUNNING and known.started_at is not None
    }
    host_network = bool(record.pod.spec.host_network)
    owners = record.pod.metadata.owner_references or ()
    controller = next((f"{owner.kind}/{owner.name}" for owner in owners if owner.controller), "")
    return Place(record.uid, record.namespace, record.name, host_network, running, controller)
