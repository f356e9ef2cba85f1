"""An image's manifest and what leads to it: from the registry, and by digest from another node where that cannot be reached.

A tag is never asked of another node. What it means is the registry's to say; a node that lies could make it mean anything,
while for a digest it can only fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from nodeagent.facilities import Credentials
from nodeagent.images import errors
from nodeagent.images.peers import access
from nodeagent.images.peers.client import Client
from nodeagent.images.reference import Reference
from nodeagent.images.registry.client import RegistryClient

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 3.0
"""A registry that is silent for so long is likely away; other nodes are asked beside it."""


class Documents:
    """For one pull. `first` comes first."""

    def __init__(
        self,
        registry: RegistryClient,
        reference: Reference,
        credentials: Mapping[str, Credentials],
        login: Credentials | None,
        peers: Client | None,
    ) -> None:
        self._registry, self._reference = registry, reference
        self._credentials, self._login, self._peers = credentials, login, peers
        self.repository = registry.repository(reference, login)
        self.is_registry_away = False

    async def first(self) -> bytes:
        """What the reference names: a manifest or an index."""
        asking = asyncio.ensure_future(self._registry.manifest(self._reference, self._credentials))
        try:
            if self._reference.digest and self._peers is not None:
                await asyncio.wait([asking], timeout=_PATIENCE_SECONDS)
                if not asking.done() or isinstance(asking.exception(), errors.AWAY):
                    found = await self._from_peers(self._reference.digest)
                    if found is not None:
                        log.info("%s: the registry is away; another node has it", self._reference)
                        self.is_registry_away = True
                        return found
            self.repository, data, _ = await asking
            return data
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait([asking])
            if not asking.cancelled():
                asking.exception()  # looked at

    async def get(self, digest: str) -> bytes:
        """A member of an index."""
        if not self.is_registry_away:
            return await self._registry.document(self.repository, digest)
        found = await self._from_peers(digest)
        if found is None:
            raise errors.RegistryUnreachable(
                f"registry {self.repository.server} cannot be reached, and no other node gives {self._reference}"
            )
        return found

    async def _from_peers(self, digest: str) -> bytes | None:
        if self._peers is None:
            return None
        key = b""
        if self._login is not None:
            key = await asyncio.to_thread(access.login_key, self._reference.name, self._login)
        asker = self._peers.own

        def proof(answerer: str) -> str:
            return access.proof(key, asker=asker, answerer=answerer, digest=digest) if key else ""

        grant = await self._registry.peer_grant(self._reference)
        return await self._peers.manifest(self._reference.name, digest, proof, grant)
