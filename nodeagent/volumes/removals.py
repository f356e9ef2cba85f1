"""Removing the data of deleted volumes: asked for by the control plane, done once no pod of this node uses it, and reported.

What was asked for is not kept over a restart: the control plane asks again with each Sync until it has been told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from nodeagent.errors import AgentError
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.volumes import claims
from schema.session import VolumeRemoval, VolumeReport

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0


class Removals:
    def __init__(self, context: Context, records: Mapping[str, Record]) -> None:
        self._context = context
        self._records = records
        self._waiting: dict[str, VolumeRemoval] = {}
        self._wake = asyncio.Event()

    def add(self, removals: Iterable[VolumeRemoval]) -> None:
        for one in removals:
            self._waiting[one.uid] = one
            self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self._waiting else None):
                    await self._wake.wait()
            self._wake.clear()
            for one in list(self._waiting.values()):
                await self._remove(one)

    async def _remove(self, one: VolumeRemoval) -> None:
        if user := self._user(one):
            log.info("volume %s is removed when pod %s has ended", one.name, user)
            return
        try:
            await self._context.host.volumes.remove(one.name)
        except (AgentError, OSError) as error:
            log.warning("volume %s cannot be removed yet: %s", one.name, error)
            self._context.reports.volume(VolumeReport(name=one.name, uid=one.uid, problem=str(error)))
            return
        log.info("volume %s is removed", one.name)
        self._waiting.pop(one.uid, None)
        self._context.reports.volume(VolumeReport(name=one.name, uid=one.uid, removed=True))

    def _user(self, one: VolumeRemoval) -> str:
        """A pod whose containers may still have it: one that was deleted by force, for the others are waited for."""
        path = self._context.settings.home.absolute() / claims.DIRECTORY / one.name
        for record in self._records.values():
            if not record.state.released and _may_use(record, path, one):
                return record.name
        return ""


def _may_use(record: Record, path: Path, one: VolumeRemoval) -> bool:
    if record.volumes:
        return path in record.volumes.values()
    # Not set up since the agent was started: its claim is all that is known.
    names = {claims.claim_name(record.pod, volume) for volume in record.pod.spec.volumes}
    return record.namespace == one.namespace and one.claim in names
