"""Answers other nodes of the cluster. One request on a connection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.images import manifests
from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.peers import access, wire
from nodeagent.images.peers.directory import Directory
from nodeagent.images.peers.offers import Offers
from nodeagent.images.peers.tracker import Tracker
from nodeagent.images.peers.wire import PeerFault

log = logging.getLogger(__name__)

_MOST_GIVEN = 16
"""Layers given at once; more would make each of them slow."""
_REQUEST_SECONDS = 5.0
_UNREAD_SECONDS = 20.0


Verify = Callable[[str, str, str], bool]
"""Called with a grant, a node and a repository without its host."""


@dataclass(frozen=True)
class _Answer:
    length: int
    body: AsyncIterator[bytes]


class Server:
    def __init__(
        self, shelf: Shelf, directory: Directory, tracker: Tracker, offers: Offers, may_verify: Verify
    ) -> None:
        self._shelf, self._directory, self._tracker, self._offers = shelf, directory, tracker, offers
        self._may_verify = may_verify
        self._given = 0
        self.is_serving = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """For `asyncio.start_server`."""
        try:
            await self._answer(reader, writer)
        except PeerFault as fault:
            with contextlib.suppress(OSError, ssl.SSLError):
                writer.write(wire.head(error=str(fault)))
                await asyncio.wait_for(writer.drain(), _REQUEST_SECONDS)
        except (OSError, TimeoutError) as error:
            log.debug("another node's request ended early: %s", error)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asker = self._directory.node_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        if asker is None:
            raise PeerFault("you are no node of this cluster")
        async with asyncio.timeout(_REQUEST_SECONDS):
            head = await wire.read_head(reader)
            body = await _body(reader, wire.number(head, "length", manifests.LARGEST_MANIFEST))
        match head.get("ask"):
            case "want" | "have" | "drop" | "holds":
                writer.write(wire.head(sources=self.track(str(head["ask"]), wire.text(head, "key"), asker)))
                await asyncio.wait_for(writer.drain(), _REQUEST_SECONDS)
            case "blob":
                await self._send(writer, await self._blob(head, body))
            case "manifest":
                await self._send(writer, await asyncio.to_thread(self._manifest, head, asker))
            case other:
                raise PeerFault(f"nobody can ask {str(other)[:50]!r}")

    def track(self, ask: str, key: str, asker: str) -> list[str]:
        """``key`` is made of a layer's digest (`client.key_of`): who keeps track learns none."""
        if len(key) > 100:
            raise PeerFault("key is too long")
        now = time.monotonic()
        is_serving = self.is_serving if asker == self._directory.own else asker in self._directory.serving()
        if ask == "want":
            return self._tracker.want(key, asker, now, is_serving=is_serving)
        if ask == "have" and is_serving:
            self._tracker.have(key, asker, now)
        elif ask == "drop":
            self._tracker.drop(key, asker)
        return []

    async def _blob(self, head: dict[str, Any], manifest: bytes) -> _Answer:
        digest = wire.text(head, "digest")
        size = await asyncio.to_thread(self._size_if_allowed, digest, manifest)
        start = wire.number(head, "start", size)
        if (path := self._content(digest)) is not None:
            return _Answer(size - start, _once(path.read_bytes()[start:]))
        if not self._offers.has(digest):
            raise PeerFault("not here")
        return _Answer(size - start, self._offers.read(digest, start, size))

    def _size_if_allowed(self, digest: str, manifest: bytes) -> int:
        """See `access`. One answer for what is not here and what is not theirs."""
        if not manifests.is_digest(digest):
            raise PeerFault("not here")
        sizes = manifests.listed(manifest)
        if digest in sizes:
            if self._content(manifests.digest_of(manifest)) is not None:
                return sizes[digest]
            for one in access.public_manifests(self._shelf.read()):
                known = self._content(one)
                if known is not None and digest in (found := manifests.listed(known.read_bytes())):
                    return found[digest]
        raise PeerFault("not here")

    def _manifest(self, head: dict[str, Any], asker: str) -> _Answer:
        digest = wire.text(head, "digest")
        allowed = manifests.is_digest(digest) and access.may_have_manifest(
            self._shelf.read(),
            wire.text(head, "repository"),
            digest,
            shown=wire.text(head, "proof"),
            asker=asker,
            answerer=self._directory.own,
            is_granted=lambda path: self._may_verify(wire.text(head, "grant"), asker, path),
        )
        path = self._content(digest) if allowed else None
        if path is None:
            raise PeerFault("not here")
        data = path.read_bytes()
        return _Answer(len(data), _once(data))

    def _content(self, digest: str) -> Path | None:
        path = self._shelf.content(digest)
        return path if path.exists() else None

    async def _send(self, writer: asyncio.StreamWriter, answer: _Answer) -> None:
        if self._given >= _MOST_GIVEN:
            raise PeerFault("busy")
        self._given += 1
        try:
            writer.write(wire.head(length=answer.length))
            async for chunk in answer.body:
                writer.write(chunk)
                await asyncio.wait_for(writer.drain(), _UNREAD_SECONDS)
        finally:
            self._given -= 1


async def _body(reader: asyncio.StreamReader, length: int) -> bytes:
    try:
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError:
        raise PeerFault("the request was cut") from None


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
