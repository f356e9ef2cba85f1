"""One layer's compressed bytes for one pull: from other nodes first, the registry for whatever they do not give."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable

from nodeagent.images import errors, manifests
from nodeagent.images.manifests import Descriptor
from nodeagent.images.peers.client import Client
from nodeagent.images.peers.directory import Peer
from nodeagent.images.peers.wire import PeerFault
from nodeagent.images.registry.answers import Repository
from nodeagent.images.registry.client import RegistryClient

log = logging.getLogger(__name__)

_LIED_SECONDS = 600.0


class Fetch:
    """`feed` may be called again after a failure, from another byte on."""

    def __init__(
        self,
        registry: RegistryClient,
        repository: Repository,
        blob: Descriptor,
        *,
        peers: Client | None,
        manifest: bytes,
        is_registry_away: bool = False,
        is_tracked: bool = True,
    ) -> None:
        """``is_tracked``: whether it is kept track of who has it, as it is of layers."""
        self._registry, self._repository, self._blob = registry, repository, blob
        self._peers, self._manifest = peers, manifest
        self._is_registry_away = is_registry_away
        self._is_tracked = is_tracked
        self._at = 0
        self._suspects: set[str] = set()

    def distrust(self) -> bool:
        """What came is wrong. Whether other nodes may be why: then they are asked no more, and it is worth another try."""
        suspects, self._suspects = self._suspects, set()
        for node in suspects:
            log.warning(
                "node %s sent something else for layer %s; it is not asked for a while", node, self._blob.digest
            )
            if self._peers is not None:
                self._peers.shun(node, _LIED_SECONDS)
        if suspects:
            self._peers = None
        return bool(suspects)

    async def whole(self, what: str) -> bytes:
        """A small one (a config), verified."""
        if self._blob.size > manifests.LARGEST_CONFIG:
            raise errors.BadImage(f"{what} has a config of {self._blob.size} bytes")
        data = await self._gathered()
        if manifests.digest_of(data) != self._blob.digest and self.distrust():
            data = await self._gathered()
        if manifests.digest_of(data) != self._blob.digest:
            raise errors.DigestMismatch(
                f"{what}: the config that came has digest {manifests.digest_of(data)}, not {self._blob.digest}"
            )
        return data

    async def _gathered(self) -> bytes:
        return b"".join([chunk async for chunk in self.feed(0)])

    async def feed(self, start: int) -> AsyncIterator[bytes]:
        self._at = start
        if self._peers is not None:
            if self._is_tracked:
                async for chunk in self._from(await self._peers.want(self._blob.digest)):
                    yield chunk
            if self._is_registry_away:
                async for chunk in self._from(self._peers.everybody()):
                    yield chunk
        try:
            if self._at < self._blob.size:
                async for chunk in self._registry.blob(self._repository, self._blob, self._at):
                    self._at += len(chunk)
                    yield chunk
        except errors.AWAY:
            if self._peers is None or self._is_registry_away:
                raise
            async for chunk in self._from(self._peers.everybody()):
                yield chunk
            if self._at < self._blob.size:
                raise

    async def _from(self, sources: Iterable[Peer]) -> AsyncIterator[bytes]:
        """As far as they go."""
        for peer in sources:
            if self._at >= self._blob.size or self._peers is None:
                return
            try:
                async for chunk in self._peers.blob(peer, self._blob.digest, self._at, self._blob.size, self._manifest):
                    self._suspects.add(peer.node)
                    self._at += len(chunk)
                    yield chunk
            except PeerFault as fault:
                log.info("layer %s from node %s: %s", self._blob.digest[:19], peer.node, fault)
                if peer.node in self._suspects or "not here" not in str(fault):
                    self._peers.shun(peer.node)
