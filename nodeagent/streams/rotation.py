"""Bounded logs: a log beyond its size is renamed away, its writer told to begin a new file, the oldest files deleted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from pathlib import Path

from nodeagent.errors import AgentError
from nodeagent.pods import identity
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.pods.state import ContainerState, Phase
from nodeagent.streams import logfile

log = logging.getLogger(__name__)


async def rotate(record: Record, context: Context) -> None:
    """One look at the logs of a pod's running containers."""
    for state in list(record.state.containers.values()):
        if state.phase is Phase.RUNNING:
            try:
                await _rotate(record, state, context)
            except (AgentError, OSError) as error:
                log.warning("the log of container %s could not be rotated: %s", state.container_id, error)


async def _rotate(record: Record, state: ContainerState, context: Context) -> None:
    settings = context.settings
    directory = identity.log_dir(settings.home, record.uid, state.name)
    if _size(directory / f"{state.attempt}.log") <= settings.log_max_bytes:
        return
    files = await asyncio.to_thread(logfile.paths, directory, state.attempt)
    current = next((one for one in files if one.current), None)
    if current is not None:
        current.path.rename(current.path.with_name(f"{current.path.name}.{current.number}"))
    elif not files:
        return  # the writer has not begun yet
    # Also where an agent died between renaming and telling: the writer still writes to the renamed file.
    await context.host.runtime.rotate_log(state.container_id)
    for old in files[: max(0, len(files) - settings.log_max_files + 1)]:
        with contextlib.suppress(FileNotFoundError):
            old.path.unlink()


def _size(path: Path) -> float:
    """Infinite when it is not there: then an agent may have died between renaming and telling."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return math.inf
