"""The part of the agent that shares layers: follows who is in the cluster, serves them, and gives pulls a client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.peers import identity, wire
from nodeagent.images.peers.client import Client, Patience
from nodeagent.images.peers.directory import Directory
from nodeagent.images.peers.offers import Offers
from nodeagent.images.peers.server import Server, Verify
from nodeagent.images.peers.tracker import Tracker
from schema.base import Wire

if TYPE_CHECKING:
    from nodeagent.cluster import ClusterView, Key

log = logging.getLogger(__name__)

_HANDSHAKE_SECONDS = 5.0
_BACKLOG = 64


def _nobody(grant: str, node: str, repository: str) -> bool:
    return False


class Peers:
    """A `nodeagent.cluster.Consumer`."""

    name = "peers"
    kinds = frozenset({"Node"})

    def __init__(
        self,
        shelf: Shelf,
        offers: Offers,
        *,
        node: str,
        port: int,
        patience: Patience | None = None,
        may_verify: Verify = _nobody,
    ) -> None:
        """``port`` -1: this node asks, and does not serve; 0: any that is free."""
        self._port = port
        self._identity = identity.load_or_make(shelf.home / "peer.pem", node)
        self._directory = Directory(node)
        self._socket: socket.socket | None = None
        self._socket_lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._trusted: set[bytes] = set()
        self._server = Server(shelf, self._directory, Tracker(), offers, may_verify)
        self.client = Client(self._directory, self._identity.file, self._server.track, patience or Patience())

    def published(self) -> Wire:
        """What the Node object tells other nodes (`status.imagePeer`). Begins to listen."""
        try:
            port = self._listen().getsockname()[1] if self._port >= 0 else 0
        except OSError as error:
            log.warning("other nodes get no layers from this one: %s", error)
            port = 0
        return {"port": port, "certificate": base64.b64encode(self._identity.certificate).decode()}

    def _listen(self) -> socket.socket:
        with self._socket_lock:
            if self._socket is None:
                self._socket = _bound(self._port)
            return self._socket

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        self._directory.replace(view.all("Node").values())
        self._trust()

    def _trust(self) -> None:
        """Only ever more: who has left the cluster is turned away by `Directory.node_of`."""
        if self._context is None:
            return
        for peer in self._directory.everyone():
            if peer.certificate not in self._trusted:
                self._trusted.add(peer.certificate)
                with contextlib.suppress(ssl.SSLError):  # no certificate: then nobody can show it
                    wire.trust(self._context, peer.certificate)

    async def watch(self, poke: Callable[[], None]) -> None:
        """Serves, for ever."""
        if self._port < 0:
            return
        self._context = wire.server_context(self._identity.file)
        self._trusted = set()
        self._trust()
        serving = await asyncio.start_server(
            self._server.answer,
            sock=self._listen(),
            ssl=self._context,
            limit=wire.LONGEST_LINE,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS,
        )
        self._server.is_serving = self.client.is_serving = True
        try:
            async with serving:
                await serving.serve_forever()
        finally:
            self._server.is_serving = self.client.is_serving = False
            self._socket = None


def _bound(port: int) -> socket.socket:
    """A port that is taken is replaced by a free one: the others are told which."""
    try:
        return _listening(port)
    except OSError as error:
        if not port or error.errno != errno.EADDRINUSE:
            raise
        log.info("port %d is taken; layers are served on another one", port)
        return _listening(0)


def _listening(port: int) -> socket.socket:
    """Of both families where the kernel has them."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        return socket.create_server(("0.0.0.0", port), backlog=_BACKLOG)  # noqa: S104 (it lets in nodes only)
