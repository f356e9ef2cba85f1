"""Keeps logs bounded: a log that has grown beyond the limit is renamed, its writer reopens, the oldest files go.

Who watches: one look at all running containers' logs every few seconds. A log grows a little over its limit meanwhile, which
costs less than waking up for every line that every container writes.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from nodeagent.errors import AgentError
from nodeagent.pods import identity
from nodeagent.pods.context import Context
from nodeagent.pods.state import Phase
from nodeagent.streams import logfile

if TYPE_CHECKING:
    from nodeagent.pods.manager import PodManager

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class Rotation:
    def __init__(self, pods: PodManager, context: Context) -> None:
        self._pods = pods
        self._context = context

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        settings = self._context.settings
        for record in list(self._pods.records.values()):
            for known in list(record.state.containers.values()):
                if known.phase is not Phase.RUNNING:
                    continue
                directory = identity.log_dir(settings.home, record.uid, known.name)
                size = _size(directory / f"{known.attempt}.log")
                # Without a current file an earlier agent fell between renaming and reopening: the writer still has to.
                if size is None or size > settings.log_max_bytes:
                    await self._rotate(directory, known.attempt, known.container_id)

    async def _rotate(self, directory: Path, attempt: int, container_id: str) -> None:
        try:
            await asyncio.to_thread(rename, directory, attempt)
            await self._context.host.runtime.rotate_log(container_id)
            await asyncio.to_thread(prune, directory, attempt, keep=self._context.settings.log_max_files)
        except (AgentError, OSError) as error:
            log.warning("log of container %s cannot be rotated: %s", container_id, error)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def rename(directory: Path, attempt: int) -> None:
    """Give the current file its number for ever. Its writer goes on writing to it until it reopens the path."""
    for one in logfile.paths(directory, attempt):
        if one.current:
            one.path.rename(directory / f"{attempt}.log.{one.number}")


def prune(directory: Path, attempt: int, *, keep: int) -> None:
    """Leave ``keep`` files, the current one included; at least one rotated file stays, for the numbers to go on from."""
    rotated = [one for one in logfile.paths(directory, attempt) if not one.current]
    for one in rotated[: -max(keep - 1, 1)]:
        one.path.unlink(missing_ok=True)
