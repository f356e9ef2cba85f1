"""Owned tasks: each has a name, an owner that ends it, and a logged death."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Tasks:
    """The tasks of one owner. `close` cancels them and waits until they have ended."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: task %s ended unexpectedly", self._owner, task.get_name(), exc_info=error)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def wait(self, seconds: float) -> None:
        """Until all of them have ended by themselves, at most so long."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=seconds)

    def __len__(self) -> int:
        return len(self._tasks)


async def whole(function: Callable[[], _T]) -> _T:
    """Run it in a thread and, when cancelled meanwhile, wait for its end first: what it makes must be there whole before it
    can be taken away. For what takes milliseconds."""
    work = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


async def persist(name: str, attempt: Callable[[], Awaitable[None]], *, first_delay: float, last_delay: float) -> None:
    """Run ``attempt`` until it returns; when it raises, log that and run it again after a growing delay."""
    delay = first_delay
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            return await attempt()
        except Exception:
            log.exception("%s failed; it runs again in %g s", name, delay)
        if loop.time() - began > last_delay * 2:
            delay = first_delay
        await asyncio.sleep(delay)
        delay = min(delay * 2, last_delay)
