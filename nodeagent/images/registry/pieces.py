"""One stream out of several ranged requests: a large blob is not bound to the speed of one connection.

The pieces are asked for ahead, some at once, and handed on in order, the first while it still arrives. What is ahead waits in
memory: at most ``at_once`` pieces.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

Read = Callable[[int, int], AsyncIterator[bytes]]
"""Called with the first byte and the one after the last."""


class _Piece:
    def __init__(self, read: Read, start: int, end: int) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._fetch(read(start, end)), name=f"bytes {start} to {end}")

    async def _fetch(self, chunks: AsyncIterator[bytes]) -> None:
        try:
            async for chunk in chunks:
                self._chunks.put_nowait(chunk)
        finally:
            self._chunks.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk
        await self._task

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # looked at: whoever ends it knows another reason


async def in_order(
    read: Read, start: int, end: int, *, piece_bytes: int, at_once: int, is_ranged: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """The bytes from ``start`` to ``end``. Once ``is_ranged`` denies it, the rest comes in one stream."""
    under_way: deque[_Piece] = deque()
    asked, at = start, start
    try:
        while at < end and is_ranged():
            while asked < end and len(under_way) < at_once:
                stop = min(asked + piece_bytes, end)
                under_way.append(_Piece(read, asked, stop))
                asked = stop
            async for chunk in under_way[0].chunks():
                at += len(chunk)
                yield chunk
            under_way.popleft()
    finally:
        for piece in under_way:
            await piece.end()
    if at < end:
        async for chunk in read(at, end):
            yield chunk
