"""Attaching to a container that waits for its one caller (``stdinOnce``, as `kubectl run -i` asks for): nothing is lost.

The caller comes when the container runs already, and what it had said until then would be missing. So the first one is
given the output from the log, from its beginning; the attach socket carries input alone. The log keeps every byte: a line
without an end is written as a piece of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from nodeagent.facilities import ExecSession
from nodeagent.streams.inotify import Watcher
from nodeagent.streams.logfile import Line, Lines

_STREAMS = {b"stdout": 1, b"stderr": 2}


class Replay:
    """See `facilities.ExecSession`."""

    def __init__(
        self,
        attached: ExecSession,
        *,
        directory: Path,
        attempt: int,
        over: Callable[[], bool],
        files: Watcher,
        watching: Callable[[asyncio.Event], AbstractContextManager[None]],
    ) -> None:
        """``over``: the container has ended, and its log is whole; ``watching`` sets an event when that may be."""
        self._attached = attached
        self._over = over
        self._lines = Lines(directory, attempt)
        self._ready: deque[Line] = deque()
        self._held = ExitStack()
        self._news = self._held.enter_context(files.watch(directory))
        self._held.enter_context(watching(self._news))
        self._unheard = asyncio.create_task(_drain(attached), name="output that the log has as well")

    async def read(self) -> tuple[int, bytes] | None:
        while not self._ready:
            self._news.clear()
            ended = self._over()
            lines = await asyncio.to_thread(self._lines.read)
            if lines is not None:
                self._ready.extend(lines)
            elif ended:
                return None
            else:
                await self._news.wait()
        line = self._ready.popleft()
        return _STREAMS.get(line.stream, 1), line.content

    async def write(self, data: bytes) -> None:
        await self._attached.write(data)

    async def close_stdin(self) -> None:
        await self._attached.close_stdin()

    async def resize(self, *, width: int, height: int) -> None:
        await self._attached.resize(width=width, height=height)

    async def wait(self) -> int:
        return 0

    async def close(self) -> None:
        self._unheard.cancel()
        await asyncio.gather(self._unheard, return_exceptions=True)
        self._held.close()
        self._lines.close()
        await self._attached.close()


async def _drain(attached: ExecSession) -> None:
    """Nobody's output must fill the socket: the container would wait for its reader."""
    with contextlib.suppress(OSError):
        while await attached.read() is not None:
            pass
