"""What every WebSocket of ours does first: find out who dials, and answer a refusal in HTTP."""

from __future__ import annotations

import logging
from typing import Any

from controlplane.access import authentication
from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.access.identity import Identity
from controlplane.nodes import refusals
from controlplane.nodes.errors import Close, Disconnected, Refused
from controlplane.nodes.pipe import End
from controlplane.nodes.websocket import Receive, Scope, Send, Socket

log = logging.getLogger(__name__)


class StreamConsumer:
    """An ASGI application; an instance serves one WebSocket. `serve` may raise `Refused` until it has accepted."""

    repeated_as_post = False
    """kubectl hides a refused upgrade, asks again with POST and shows that answer."""

    @classmethod
    def as_asgi(cls) -> Any:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await cls().run(Socket(scope, receive, send))

        return application

    async def run(self, socket: Socket) -> None:
        try:
            await self._serve(socket)
        except Disconnected:
            return
        except Exception:
            log.exception("WebSocket %s failed", socket.scope["path"])
            await self._apologise(socket)

    async def serve(self, socket: Socket, identity: Identity) -> None:
        raise NotImplementedError

    async def _serve(self, socket: Socket) -> None:
        identity: Identity | None = None
        try:
            identity = await identify(socket)
            await self.serve(socket, identity)
        except Refused as refused:
            if identity is not None and self.repeated_as_post:
                await refusals.remember(identity, socket.scope["path"], self.query_string(socket), refused)
            await socket.refuse(refused)

    async def _apologise(self, socket: Socket) -> None:
        try:
            if socket.accepted:
                await socket.close(1011, "an internal error occurred; the server's log says more")
            else:
                await socket.refuse(Refused(500, "an internal error occurred; the server's log says more"))
        except (Disconnected, RuntimeError):
            return

    @staticmethod
    def query_string(socket: Socket) -> str:
        raw: bytes = socket.scope.get("query_string") or b""
        return raw.decode("ascii", "replace")

    @staticmethod
    async def accept(socket: Socket, end: End, subprotocol: str | None) -> None:
        """Accept; a client that left while the stream was opened must not leave it open."""
        try:
            await socket.accept(subprotocol)
        except Disconnected:
            end.close(Close(1001, "the client went away"))
            raise


async def identify(socket: Socket) -> Identity:
    """Raises `Refused`: 401, 429."""
    try:
        return await authentication.identify_scope(socket.scope)
    except Unauthenticated:
        raise Refused(401, "Unauthorized") from None
    except TooManyFailures as error:
        raise Refused(429, str(error)) from None
