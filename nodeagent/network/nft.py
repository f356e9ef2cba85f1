"""nft(8), for many who want a little changed at the same moment.

One at a time is what the kernel does anyway, and a process for each change costs more than the change. So whoever comes while
one runs is put together with the others who wait, and goes into one transaction with them. Where that is refused, each is tried
by itself: nobody fails for somebody else's fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nodeagent.network.errors import NetworkError
from nodeagent.runtime import process

MOST_TOGETHER = 64
MOST_TOLD = 500
"""Characters of a refusal, which repeats the lines it is about."""


async def run(text: str) -> None:
    """One transaction of its own. Raises `NetworkError`, `AgentError`."""
    code, output = await process.run(["nft", "-f", "-"], input_=text.encode())
    if code != 0:
        raise NetworkError(f"nft: {' '.join(output.split())[:MOST_TOLD]}")


class Nft:
    """Called in order, takes effect in order. Each caller hears of its own text only."""

    def __init__(self, transact: Callable[[str], Awaitable[None]] = run) -> None:
        self._transact = transact
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []
        self._lock = asyncio.Lock()

    async def __call__(self, text: str) -> None:
        """Raises `NetworkError`, `AgentError`. A caller that is cancelled may have been too late to take it back."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, done))
        async with self._lock:
            while not done.done():
                await self._together()
        await done

    async def _together(self) -> None:
        """The longest waiting, at least one."""
        batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
        batch = [(text, done) for text, done in batch if not done.done()]
        try:
            if len(batch) > 1 and await self._at_once(batch):
                return
            for text, done in batch:
                await self._one(text, done)
        except BaseException:  # cancelled in between: who has not been heard is heard by the next
            self._waiting = [*(each for each in batch if not each[1].done()), *self._waiting]
            raise

    async def _at_once(self, batch: list[tuple[str, asyncio.Future[None]]]) -> bool:
        try:
            await self._transact("".join(text if text.endswith("\n") else f"{text}\n" for text, _ in batch))
        except NetworkError:
            return False
        for _, done in batch:
            if not done.done():
                done.set_result(None)
        return True

    async def _one(self, text: str, done: asyncio.Future[None]) -> None:
        try:
            await self._transact(text)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)
