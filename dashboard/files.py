"""The built front end's scripts and styles, as an ASGI application.

Their names carry a hash of what they hold, so a browser keeps them and never asks again. Each has a compressed twin beside
it, made by the build. Files are found once, at the start: an address is a key and never a path, and a new build is picked
up by the next start.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from dashboard import assets

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/static/dashboard/assets/"
FOREVER = b"public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
"""Not from the host's own list, which may call a script anything; then no browser would run it."""


def serves(path: str) -> bool:
    return path.startswith(PREFIX)


class Files:
    def __init__(self, folder: Path = assets.BUILT / "assets", prefix: str = PREFIX) -> None:
        self._prefix = prefix
        self._found: Mapping[str, Path] = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = self._found.get(scope["path"].removeprefix(self._prefix))
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, {b"allow": b"GET, HEAD"})
        elif path is None:
            # A page from before an update asks for what is gone; nobody is to remember that.
            await _answer(send, 404, {b"cache-control": b"no-store"})
        else:
            await self._give(scope, send, path)

    async def _give(self, scope: Scope, send: Send, path: Path) -> None:
        headers = {
            b"content-type": _type_of(path).encode(),
            b"cache-control": FOREVER,
            b"vary": b"accept-encoding",
            b"x-content-type-options": b"nosniff",
        }
        twin = self._found.get(scope["path"].removeprefix(self._prefix) + ".gz")
        if twin is not None and accepts_gzip(scope):
            headers[b"content-encoding"] = b"gzip"
            path = twin
        body = await asyncio.to_thread(path.read_bytes)
        await _answer(send, 200, headers, body, with_body=scope["method"] == "GET")


def accepts_gzip(scope: Scope) -> bool:
    """Named and not refused by ``q=0``."""
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            for offer in value.decode("latin-1").lower().split(","):
                coding, _, weight = offer.replace(" ", "").partition(";")
                if coding in ("gzip", "*"):
                    return weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _type_of(path: Path) -> str:
    return _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"


async def _answer(
    send: Send, status: int, headers: Mapping[bytes, bytes], body: bytes = b"", *, with_body: bool = True
) -> None:
    told = [*headers.items(), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": body if with_body else b""})
