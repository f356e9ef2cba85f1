"""Asks other nodes. Whoever fails is left alone for a while; nothing here raises but `PeerFault`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.images import manifests
from nodeagent.images.peers import wire
from nodeagent.images.peers.directory import Directory, Peer, ranked
from nodeagent.images.peers.wire import PeerFault

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_SHUNNED_SECONDS = 60.0
_MOST_SEARCHED = 64
_SEARCHED_AT_ONCE = 16

Track = Callable[[str, str, str], list[str]]


@dataclass(frozen=True)
class Patience:
    """When a source is given up for the next one."""

    silent_seconds: float = 4.0
    window_seconds: float = 5.0
    slowest_bytes: int = 64 * 1024
    """A second, over a window."""


def key_of(digest: str) -> str:
    """By which a layer is kept track of: it tells those who know the digest which layer it is, and others nothing."""
    return hashlib.sha256(b"slipway layer " + digest.encode()).hexdigest()


class Client:
    def __init__(self, directory: Directory, identity: Path, track: Track, patience: Patience) -> None:
        self._directory, self._identity, self._patience = directory, identity, patience
        self._track = track
        """What this node itself keeps track of."""
        self._shunned: dict[str, float] = {}
        self.is_serving = False

    @property
    def own(self) -> str:
        return self._directory.own

    def order(self, digest: str) -> str:
        """By which this node fetches an image's layers: each node its own, so that those who begin together begin with
        different ones and then have something for each other."""
        return hashlib.sha256(f"{digest} {self.own}".encode()).hexdigest()

    def shun(self, node: str, seconds: float = _SHUNNED_SECONDS) -> None:
        self._shunned[node] = time.monotonic() + seconds

    def _usable(self, nodes: Iterable[str]) -> list[Peer]:
        now = time.monotonic()
        self._shunned = {node: until for node, until in self._shunned.items() if until > now}
        serving = self._directory.serving()
        return [serving[node] for node in nodes if node in serving and node not in self._shunned]

    # --- who has what

    async def want(self, digest: str) -> list[Peer]:
        """Sources of a layer that this node is about to fetch, best first."""
        return self._usable(await self._tell("want", digest))

    async def have(self, digest: str) -> None:
        await self._tell("have", digest)

    async def drop(self, digest: str) -> None:
        await self._tell("drop", digest)

    async def _tell(self, ask: str, digest: str) -> list[str]:
        """To the node that keeps track of the layer; to the next, where that one is silent."""
        key, own = key_of(digest), self._directory.own
        serving = self._directory.serving()
        if not serving:
            return []
        for node in ranked(key, [*serving, *([own] if self.is_serving else [])])[:2]:
            if node == own:
                return self._track(ask, key, own)
            for peer in self._usable([node]):
                try:
                    return await self._ask(peer, ask=ask, key=key)
                except PeerFault:
                    self.shun(node)
        return []

    async def _ask(self, peer: Peer, **fields: Any) -> list[str]:
        async with self._asking(peer, b"", **fields) as (_, head):
            sources = head.get("sources")
            return [one for one in sources if isinstance(one, str)] if isinstance(sources, list) else []

    # --- layers and manifests

    async def blob(self, peer: Peer, digest: str, start: int, size: int, manifest: bytes) -> AsyncIterator[bytes]:
        """Ends after byte ``size``, or raises `PeerFault`. What comes is not verified."""
        async with self._asking(peer, manifest, ask="blob", digest=digest, start=start) as (reader, head):
            if wire.number(head, "length", size) != size - start:
                raise PeerFault("it has another size")
            at, pace = start, _Pace(self._patience)
            while at < size:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(self._patience.silent_seconds):
                        data = await reader.read(min(wire.CHUNK, size - at))
                except (OSError, TimeoutError) as error:
                    raise PeerFault(f"it broke off ({type(error).__name__})") from None
                if not data:
                    raise PeerFault("it broke off")
                at += len(data)
                pace.check(len(data), time.monotonic() - began)
                yield data

    async def manifest(
        self, repository: str, digest: str, proof: Callable[[str], str], grant: str = ""
    ) -> bytes | None:
        """From whichever node has it and gives it; verified. ``proof``: of the login, for a node; `grant`: `registry.grants`."""
        everyone = list(self._directory.serving())
        random.shuffle(everyone)
        waiting = self._usable(everyone)[:_MOST_SEARCHED]
        while waiting:
            batch, waiting = waiting[:_SEARCHED_AT_ONCE], waiting[_SEARCHED_AT_ONCE:]
            for found in await asyncio.gather(
                *(self._manifest_of(peer, repository, digest, proof(peer.node), grant) for peer in batch)
            ):
                if found is not None:
                    return found
        return None

    async def _manifest_of(self, peer: Peer, repository: str, digest: str, proof: str, grant: str) -> bytes | None:
        fields = {"ask": "manifest", "repository": repository, "digest": digest, "proof": proof, "grant": grant}
        try:
            async with self._asking(peer, b"", **fields) as (reader, head), asyncio.timeout(_ANSWER_SECONDS):
                data = await reader.readexactly(wire.number(head, "length", manifests.LARGEST_MANIFEST))
        except (PeerFault, OSError, TimeoutError, asyncio.IncompleteReadError):
            return None
        if manifests.digest_of(data) != digest:
            self.shun(peer.node)
            return None
        return data

    def everybody(self) -> list[Peer]:
        """Sources where nobody who keeps track is left: the registry is away, and any of them may have it."""
        everyone = list(self._directory.serving())
        random.shuffle(everyone)
        return self._usable(everyone)[:_MOST_SEARCHED]

    # --- one request

    @contextlib.asynccontextmanager
    async def _asking(
        self, peer: Peer, body: bytes, **fields: Any
    ) -> AsyncIterator[tuple[asyncio.StreamReader, dict[str, Any]]]:
        reader, writer = await self._connect(peer)
        try:
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    writer.write(wire.head(length=len(body), **fields) + body)
                    await writer.drain()
                    head = await wire.read_head(reader)
            except (OSError, TimeoutError) as error:
                raise PeerFault(f"no answer ({type(error).__name__})") from None
            if "error" in head:
                raise PeerFault(str(head["error"])[:200])
            yield reader, head
        finally:
            writer.transport.abort()

    async def _connect(self, peer: Peer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        said = "it has no address"
        try:
            context = wire.client_context(self._identity, peer.certificate)
        except (ssl.SSLError, OSError) as error:
            raise PeerFault(f"its certificate cannot be used: {error}") from None
        for address in peer.addresses:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection(address, peer.port, ssl=context, limit=wire.LONGEST_LINE)
            except (OSError, TimeoutError) as error:
                said = f"{address}: {str(error) or type(error).__name__}"
        raise PeerFault(said)


class _Pace:
    """Counts only the time that is spent waiting for the other node: this one may be slow itself."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._seconds, self._count = 0.0, 0

    def check(self, count: int, seconds: float) -> None:
        """Raises `PeerFault` at the end of a window in which too little came."""
        self._count += count
        self._seconds += seconds
        if self._seconds < self._patience.window_seconds:
            return
        if self._count < self._patience.slowest_bytes * self._seconds:
            raise PeerFault(f"it is slow: {self._count} bytes in {self._seconds:.0f} s")
        self._seconds, self._count = 0.0, 0
