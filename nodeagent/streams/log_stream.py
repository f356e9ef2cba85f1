"""Serving a container's log: the options applied, followed across rotation, no line lost and none twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from nodeagent.pods import identity
from nodeagent.streams import logfile
from nodeagent.streams.inotify import Watcher
from nodeagent.streams.logfile import Line
from schema.session import LogOptions

Send = Callable[[bytes], Awaitable[None]]
Watching = Callable[[asyncio.Event], contextlib.AbstractContextManager[None]]

FRAME_BYTES = 64 * 1024
MAX_HELD_BYTES = 1024 * 1024


def exists(home: Path, pod_uid: str, name: str, attempt: int) -> bool:
    return bool(logfile.paths(identity.log_dir(home, pod_uid, name), attempt))


class Reader:
    """What is shown of an attempt's log, by its options. Blocking; one thread at a time."""

    def __init__(self, home: Path, pod_uid: str, name: str, attempt: int, options: LogOptions) -> None:
        self.directory = identity.log_dir(home, pod_uid, name)
        self.options = options
        self._lines = logfile.Lines(self.directory, attempt, tail=options.tail_lines)
        self._held: dict[bytes, list[bytes]] = {}
        """By stream, pieces of a line that goes on, already in the form that is shown."""
        self._since = options.since_time
        self._left = options.limit_bytes

    @property
    def is_full(self) -> bool:
        """``limitBytes`` is reached."""
        return self._left is not None and self._left <= 0

    def read(self) -> bytes:
        """What is there now, up to about a frame; empty when everything has been read."""
        shown = bytearray()
        while len(shown) < FRAME_BYTES and not self.is_full:
            lines = self._lines.read()
            if lines is None:
                break
            for line in lines:
                shown += self._shown(line)
        return self._limited(bytes(shown))

    def _shown(self, line: Line) -> bytes:
        held = self._held.get(line.stream)
        if held is None and self._is_too_old(line):
            return b""
        stamp = logfile.shown_time(line) + b" " if self.options.timestamps and held is None else b""
        pieces = self._held.setdefault(line.stream, [])
        pieces.append(stamp + line.content)
        if line.partial and sum(map(len, pieces)) < MAX_HELD_BYTES:
            return b""
        if line.partial:
            self._held[line.stream] = [b""]  # too long to be held back: its pieces are passed on as they come
        else:
            del self._held[line.stream]
        return b"".join(pieces)

    def rest(self) -> bytes:
        """The line that an ended container left without its end."""
        held, self._held = self._held, {}
        return self._limited(b"".join(piece for pieces in held.values() for piece in pieces))

    def _is_too_old(self, line: Line) -> bool:
        if self._since is None:
            return False
        at = logfile.time_of(line)
        if at is None or at < self._since:
            return True
        self._since = None  # times only grow
        return False

    def _limited(self, shown: bytes) -> bytes:
        if self._left is None:
            return shown
        shown = shown[: max(self._left, 0)]
        self._left -= len(shown)
        return shown

    def close(self) -> None:
        self._lines.close()
        self._left = 0


async def serve(reader: Reader, send: Send, over: Callable[[], bool], files: Watcher, watching: Watching) -> None:
    """Until the end of the log: what is there, or with ``follow`` until the container has ended and all is read."""
    try:
        if not reader.options.follow:
            await _drain(reader, send)
            await _finish(reader, send)
            return
        with files.watch(reader.directory) as news, watching(news):
            while not reader.is_full:
                news.clear()
                ended = over()
                await _drain(reader, send)
                if ended:
                    await _finish(reader, send)
                    return
                await news.wait()
    finally:
        await asyncio.to_thread(reader.close)


async def _drain(reader: Reader, send: Send) -> None:
    while piece := await asyncio.to_thread(reader.read):
        await send(piece)


async def _finish(reader: Reader, send: Send) -> None:
    if rest := reader.rest():
        await send(rest)
