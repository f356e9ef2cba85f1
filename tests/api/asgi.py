"""Requests to the ASGI application in the test's event loop, streams included. Without sockets: what a stream yields is
seen as it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import orjson

from controlplane.api.handler import Handler

DEADLINE_SECONDS = 60.0


class Exchange:
    """One request under way. `status` and `headers` are there once `started` is."""

    def __init__(self, handler: Handler, scope: MutableMapping[str, Any], body: list[bytes]) -> None:
        self._pieces = body
        self._sent: asyncio.Queue[Any] = asyncio.Queue()
        self._left = asyncio.Event()
        self._buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.task = asyncio.create_task(handler(scope, self._receive, self._send))

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._pieces:
            piece = self._pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self._pieces)}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self._sent.put_nowait(message)

    async def started(self) -> None:
        message = await self._next()
        assert message["type"] == "http.response.start"
        self.status = message["status"]
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}

    async def line(self) -> Any:
        """The next line of the stream, parsed; None at its end."""
        while b"\n" not in self._buffer:
            if self.complete:
                return None
            await self._take()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return orjson.loads(line)

    async def lines(self, count: int) -> list[Any]:
        return [await self.line() for _ in range(count)]

    async def body(self) -> Any:
        while not self.complete:
            await self._take()
        return orjson.loads(self._buffer)

    async def _take(self) -> None:
        message = await self._next()
        self._buffer += message.get("body", b"")
        self.complete = not message.get("more_body", False)

    async def _next(self) -> Any:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self._sent.get()

    def leave(self) -> None:
        """The client closes its connection."""
        self._left.set()

    async def ended(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self.task


class AsgiClient:
    def __init__(self, handler: Handler, token: str) -> None:
        self.handler = handler
        self.token = token

    @asynccontextmanager
    async def open(
        self, path: str, *, method: str = "GET", body: list[bytes] | None = None, **headers: str
    ) -> AsyncIterator[Exchange]:
        location, _, query = path.partition("?")
        sent = {"host": "test", "authorization": f"Bearer {self.token}", **headers}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(location),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 1),
        }
        exchange = Exchange(self.handler, scope, body if body is not None else [b""])
        try:
            await exchange.started()
            yield exchange
        finally:
            exchange.leave()
            await exchange.ended()

    async def send(self, method: str, path: str, value: Any, media: str = "application/json") -> tuple[int, Any]:
        async with self.open(path, method=method, body=[orjson.dumps(value)], **{"content-type": media}) as exchange:
            return exchange.status, await exchange.body()
