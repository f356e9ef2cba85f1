"""The two ends of a stream inside one process.

A `Pipe` carries frames one way and holds a bounded number of bytes: a fast writer waits for a slow reader. An `End` is
what either party holds; whether the other one is in this process or behind a relay makes no difference to it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from controlplane.nodes.errors import Close, StreamClosed

Frame = bytes | str
"""Text only for the `StreamOpened` with which an agent begins."""

WINDOW_BYTES = 1024 * 1024
"""What may be on its way in one direction."""
FRAME_COST = 64
"""Counted for each frame on top of its payload, so that a flood of tiny frames is bounded as well."""


class End(Protocol):
    async def send(self, frame: Frame) -> None:
        """Waits while the window is full. Raises `StreamClosed`."""

    async def receive(self) -> Frame:
        """The next frame. Raises `StreamClosed` when all that was sent before the end has been read."""

    def close(self, close: Close) -> None:
        """No more frames from here, and none wanted. What was sent before still arrives. Idempotent."""


def cost(frame: Frame) -> int:
    return len(frame) + FRAME_COST


class Pipe:
    """One writer, one reader."""

    def __init__(self, *, consumed: Callable[[int], None] | None = None) -> None:
        """``consumed`` is told the cost of each frame that the reader takes."""
        self._frames: deque[Frame] = deque()
        self._held = 0
        self._close: Close | None = None
        self._aborted = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._consumed = consumed

    @property
    def held_bytes(self) -> int:
        return self._held

    async def put(self, frame: Frame) -> None:
        """A frame larger than the window passes when the pipe is empty."""
        await self._writable.wait()
        self.put_nowait(frame)

    def put_nowait(self, frame: Frame) -> None:
        """For a writer that keeps to the window by itself."""
        if self._close is not None:
            raise StreamClosed(self._close)
        self._frames.append(frame)
        self._held += cost(frame)
        self._readable.set()
        if self._held >= WINDOW_BYTES:
            self._writable.clear()

    async def get(self) -> Frame:
        while not self._frames or self._aborted:
            if self._close is not None:
                raise StreamClosed(self._close)
            self._readable.clear()
            await self._readable.wait()
        frame = self._frames.popleft()
        self._held -= cost(frame)
        if self._held < WINDOW_BYTES:
            self._writable.set()
        if self._consumed is not None:
            self._consumed(cost(frame))
        return frame

    def close(self, close: Close) -> None:
        """The reader gets what is held, then the end. The first close wins."""
        if self._close is None:
            self._close = close
        self._readable.set()
        self._writable.set()

    def abort(self, close: Close) -> None:
        """What is held is dropped, and both sides see the end at once."""
        self.close(close)
        self._aborted = True
        self._frames.clear()
        self._held = 0


class LocalEnd:
    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    async def send(self, frame: Frame) -> None:
        await self._outgoing.put(frame)

    async def receive(self) -> Frame:
        return await self._incoming.get()

    def close(self, close: Close) -> None:
        self._outgoing.close(close)
        self._incoming.abort(close)


def pair() -> tuple[LocalEnd, LocalEnd]:
    one, other = Pipe(), Pipe()
    return LocalEnd(one, other), LocalEnd(other, one)
