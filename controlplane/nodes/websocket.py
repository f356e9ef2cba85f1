"""A WebSocket as a plain object: accept or refuse, send, receive, close.

Our consumers are ASGI applications on this, routed by Channels. They do without Channels' consumer classes for two
reasons: those hold a subscription to the channel layer, so sessions would end whenever Redis does, and they dispatch
each frame to a handler, where a stream needs two loops that wait for each other (back-pressure).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from controlplane.nodes.errors import Disconnected, Refused
from controlplane.nodes.pipe import Frame

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

MAX_REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, 5.5)."""


class Socket:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._accepted = False
        self._closed = False

    @property
    def accepted(self) -> bool:
        return self._accepted

    @property
    def arguments(self) -> dict[str, str]:
        """What the route's pattern took from the path."""
        found: dict[str, str] = self.scope["url_route"]["kwargs"]
        return found

    @property
    def subprotocols(self) -> list[str]:
        return list(self.scope.get("subprotocols") or [])

    async def accept(self, subprotocol: str | None = None) -> None:
        await self._expect_connect()
        await self._transmit({"type": "websocket.accept", "subprotocol": subprotocol})
        self._accepted = True

    async def refuse(self, refused: Refused) -> None:
        """Answer the handshake with an HTTP response holding the Status, where the server can (ASGI extension
        ``websocket.http.response``); otherwise with the bare 403 that is left."""
        await self._expect_connect()
        self._closed = True
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self._transmit({"type": "websocket.close"})
            return
        body = orjson.dumps(refused.status())
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if refused.code == 401:
            headers.append((b"www-authenticate", b'Bearer realm="slipway"'))
        await self._transmit({"type": "websocket.http.response.start", "status": refused.code, "headers": headers})
        await self._transmit({"type": "websocket.http.response.body", "body": body})

    async def receive(self) -> Frame:
        """Raises `Disconnected`."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            self._closed = True
            raise Disconnected(message.get("code") or 1006)
        data: Frame | None = message.get("bytes")
        return data if data is not None else str(message.get("text") or "")

    async def send(self, frame: Frame) -> None:
        """Waits while the peer does not read. Raises `Disconnected`."""
        if self._closed:
            raise Disconnected
        word = "text" if isinstance(frame, str) else "bytes"
        await self._transmit({"type": "websocket.send", word: frame})

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Idempotent, and quiet where the peer is gone already."""
        if self._closed or not self._accepted:
            return
        self._closed = True
        short = reason.encode()[:MAX_REASON_BYTES].decode("utf-8", "ignore")
        try:
            await self._transmit({"type": "websocket.close", "code": sendable(code), "reason": short})
        except Disconnected:
            return

    async def _expect_connect(self) -> None:
        if not self._accepted and not self._closed:
            message = await self._receive()
            if message["type"] != "websocket.connect":
                self._closed = True
                raise Disconnected

    async def _transmit(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: how a server says that the peer is gone
            self._closed = True
            raise Disconnected from None


def sendable(code: int) -> int:
    """1005, 1006 and 1015 are words for what was never sent; a relayed one becomes "going away"."""
    return 1001 if code in {1004, 1005, 1006, 1015} or not 1000 <= code < 5000 else code
