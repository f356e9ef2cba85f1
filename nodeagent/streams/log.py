"""A container's log as its reader wants it: from which line on, with or without times, and following it to its end.

`Reader` does the blocking part in steps; `stream` runs the steps in threads and waits for news in between. What makes
following exact: a file is left only when it gave nothing more after the next one was seen to exist (its writer has moved on by
then), and the log is over only when it gave nothing more after the container had ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from nodeagent.streams import logfile
from nodeagent.streams.logfile import Line, OpenFile
from schema.session import LogOptions

STEP_BYTES = 256 * 1024
"""Raw bytes that one step reads at most: the size of the frames on their way."""
MAX_LINE_BYTES = 1024 * 1024
"""Pieces of one line that are held back until its end comes; a longer line is passed on in parts."""


class Reader:
    """Blocking. Gives the log in pieces of whole lines."""

    def __init__(self, directory: Path, attempt: int, options: LogOptions) -> None:
        self._directory = directory
        self._attempt = attempt
        self._options = options
        self._since = _aware(options.since_time)
        self._left = options.limit_bytes
        self._files: deque[OpenFile] = deque(logfile.open_from(directory, attempt, 1))
        self._next = self._files[-1].number + 1 if self._files else 1
        self._rest = b""
        self._pieces: dict[bytes, list[bytes]] = {}
        if options.tail_lines is not None:
            for _ in range(logfile.seek_tail(list(self._files), options.tail_lines)):
                self._files.popleft().close()

    def close(self) -> None:
        while self._files:
            self._files.popleft().close()

    @property
    def is_full(self) -> bool:
        """limitBytes is used up."""
        return self._left is not None and self._left <= 0

    def step(self) -> tuple[bytes, bool]:
        """(output, whether there may be more at once)."""
        has_next = len(self._files) > 1
        raw = self._files[0].read(STEP_BYTES) if self._files else b""
        if raw:
            return self._limited(self._output(raw)), True
        if has_next:
            self._files.popleft().close()
            self._rest = b""
            return b"", True
        return b"", self._look_for_next()

    def _look_for_next(self) -> bool:
        newer = logfile.open_from(self._directory, self._attempt, self._next)
        if newer:
            self._next = newer[-1].number + 1
            self._files.extend(newer)
        return bool(newer)

    def rest(self) -> bytes:
        """What a container left unfinished, once it has ended."""
        return self._limited(b"".join(piece for pieces in self._pieces.values() for piece in pieces))

    def _output(self, raw: bytes) -> bytes:
        lines = (self._rest + raw).split(b"\n")
        self._rest = lines.pop()
        return b"".join(self._shown(line) for piece in lines if (line := logfile.parse(piece)) is not None)

    def _shown(self, line: Line) -> bytes:
        pieces = self._pieces.get(line.stream)
        if pieces is None:
            if self._since is not None and not self._is_wanted(line):
                return b""
            start = logfile.shown_time(line) + b" " + line.content if self._options.timestamps else line.content
            if not line.partial:
                return start
            self._pieces[line.stream] = [start]
            return b""
        pieces.append(line.content)
        if line.partial and sum(map(len, pieces)) < MAX_LINE_BYTES:
            return b""
        whole = b"".join(pieces)
        if line.partial:
            self._pieces[line.stream] = [b""]
        else:
            del self._pieces[line.stream]
        return whole

    def _is_wanted(self, line: Line) -> bool:
        moment = logfile.time_of(line)
        if moment is None or self._since is None or moment < self._since:
            return moment is None
        self._since = None  # times only grow
        return True

    def _limited(self, output: bytes) -> bytes:
        if self._left is None:
            return output
        output = output[: max(self._left, 0)]
        self._left -= len(output)
        return output


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


async def stream(
    reader: Reader,
    send: Callable[[bytes], Awaitable[None]],
    *,
    follow: bool,
    has_ended: Callable[[], bool],
    news: asyncio.Event,
) -> None:
    """Send the log. ``news`` is set whenever the files or the container's state may have changed."""
    try:
        while not reader.is_full:
            news.clear()
            is_last = not follow or has_ended()
            output, is_more = await _whole_step(reader)
            if output:
                await send(output)
            if is_more:
                continue
            if is_last:
                break
            await news.wait()
        if rest := reader.rest():
            await send(rest)
    finally:
        reader.close()


async def _whole_step(reader: Reader) -> tuple[bytes, bool]:
    """A step in a thread, waited for even when this task is cancelled: its files must not be closed under it."""
    step = asyncio.get_running_loop().run_in_executor(None, reader.step)
    try:
        return await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step])
        raise
