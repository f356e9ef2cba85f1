"""What this node can give: layers' compressed bytes that were kept, and those that are just coming in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.images.peers.wire import CHUNK

_WRITE_DELAY_SECONDS = 0.005
"""The unpacking process writes what the download hands it this much later, or more."""


@dataclass
class Growing:
    """A download under way: ``fed`` bytes were handed to the process that writes them down."""

    fed: int = 0
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def feed(self, count: int) -> None:
        self.fed = count
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def beyond(self, at: int) -> bool:
        """Wait until there is more than ``at`` bytes; False: there never will be."""
        while self.fed <= at and not self.ended:
            await self._news.wait()
        return self.fed > at


class Offers:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._growing: dict[str, Growing] = {}

    def begin(self, digest: str) -> Growing:
        self._growing[digest] = growing = Growing()
        return growing

    def end(self, digest: str, growing: Growing) -> None:
        growing.end()
        if self._growing.get(digest) is growing:
            del self._growing[digest]

    def has(self, digest: str) -> bool:
        return digest in self._growing or self._kept(digest).exists()

    async def read(self, digest: str, start: int, size: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` to ``size``, as far as they come. Raises FileNotFoundError where there are none."""
        growing = self._growing.get(digest)
        path = self._home / "partial" / _hex(digest) if growing else self._kept(digest)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if growing is None:
                os.utime(descriptor)  # the least recently given goes first
            at = start
            while at < size:
                data = await asyncio.to_thread(os.pread, descriptor, min(CHUNK, size - at), at)
                if data:
                    at += len(data)
                    yield data
                elif growing is None or not await growing.beyond(at) or _is_cut(descriptor, growing, at):
                    return
                else:
                    await asyncio.sleep(_WRITE_DELAY_SECONDS)
        finally:
            os.close(descriptor)

    def _kept(self, digest: str) -> Path:
        return self._home / "blobs" / _hex(digest)


def _is_cut(descriptor: int, growing: Growing, at: int) -> bool:
    """An ended download whose last bytes were never written."""
    return growing.ended and os.fstat(descriptor).st_size <= at


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
