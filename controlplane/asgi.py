"""The ASGI application: the API on threads that keep their database connection, WebSockets, and Django for the rest.

Django's own ASGI handler makes a thread, and so a database connection, for every request of a synchronous view, and
runs its signals in threads too: about four times the cost of the request itself. `ApiHandler` calls the same views on
`store.pool` instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import io
import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from channels.routing import URLRouter  # noqa: E402 - after Django is set up
from django.conf import settings  # noqa: E402
from django.core.handlers.asgi import ASGIRequest  # noqa: E402
from django.http import HttpResponseBase, StreamingHttpResponse  # noqa: E402
from django.urls import Resolver404, path, resolve  # noqa: E402

from controlplane.api import errors, metrics, multiplex, rendering, watching  # noqa: E402
from controlplane.nodes import hub  # noqa: E402
from controlplane.nodes.routing import websocket_urlpatterns  # noqa: E402
from controlplane.store import feed, pool  # noqa: E402

Scope = Mapping[str, Any]
Receive = Callable[[], Any]
Send = Callable[[Any], Any]

API_PATHS = ("api", "apis", "openapi", "version", "healthz", "livez", "readyz", "metrics")
MAX_BODY_BYTES = 3 * 1024 * 1024

_sessions = import_module(settings.SESSION_ENGINE)


class BodyTooLarge(Exception):
    pass


class ClientGone(Exception):
    pass


class ApiHandler:
    """Requests for the API. Middleware is not run: views identify and protect by themselves (`api.base`)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        method, where = scope["method"], scope["path"]
        try:
            body = await _read(scope, receive)
        except BodyTooLarge:
            limit = f"limit is {MAX_BODY_BYTES}"
            response: HttpResponseBase = _failure(errors.BodyTooLarge(f"Request entity too large: {limit}"))
            response.headers["Connection"] = "close"  # what is left of the body is not read
        except ClientGone:
            return
        else:
            response = await self._answer(scope, body)
        metrics.observe(method, where, response.status_code, began=began)
        await _send_response(response, receive, send, head=method == "HEAD")

    async def _answer(self, scope: Scope, body: bytes) -> HttpResponseBase:
        request = ASGIRequest(dict(scope), io.BytesIO(body))
        request.session = _sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return _failure(errors.unknown_path())
        request.resolver_match = match
        if inspect.iscoroutinefunction(match.func):
            response: HttpResponseBase = await match.func(request, *match.args, **match.kwargs)
        else:
            response = await pool.run(_render, match.func, request, match.args, match.kwargs)
        return response


def _render(view: Callable[..., Any], request: Any, args: Any, kwargs: Any) -> HttpResponseBase:
    response: Any = view(request, *args, **kwargs)
    if hasattr(response, "render"):
        response = response.render()
    found: HttpResponseBase = response
    return found


def _failure(error: errors.ApiError) -> HttpResponseBase:
    from django.http import HttpResponse

    return HttpResponse(rendering.dumps(error.status()), status=error.code, content_type=rendering.JSON)


async def _read(scope: Scope, receive: Receive) -> bytes:
    """The body, refused as soon as it is known to be too large."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise BodyTooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def _send_response(response: HttpResponseBase, receive: Receive, send: Send, *, head: bool) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"Set-Cookie", morsel.OutputString().encode()) for morsel in response.cookies.values()]
    streaming = isinstance(response, StreamingHttpResponse)
    if not streaming:
        content = bytes(response.content)  # type: ignore[attr-defined]
        headers.append((b"Content-Length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if head else content})
        return
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    # At once, so that a client sees its watch or log open before there is anything to send.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    with metrics.STREAMS.track_inprogress():
        await _stream(response, receive, send)


async def _stream(response: Any, receive: Receive, send: Send) -> None:
    """Piece by piece until its end, or until the client has gone."""

    async def pump() -> None:
        async for piece in response:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    pumping = asyncio.create_task(pump(), name="response stream")
    watching_client = asyncio.create_task(gone(), name="client watch")
    try:
        await asyncio.wait({pumping, watching_client}, return_when=asyncio.FIRST_COMPLETED)
        if pumping.done():
            pumping.result()
    finally:
        for task in (pumping, watching_client):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await asyncio.gather(pumping, watching_client, return_exceptions=True)


class Lifespan:
    """Start and stop of what a web process has one of."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                feed.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def stop(self) -> None:
        await hub.current().aclose()
        await feed.stop()
        await asyncio.to_thread(pool.close_connections)


_websockets = URLRouter([*websocket_urlpatterns, path("ws/watch", multiplex.application)])  # type: ignore[no-untyped-call, arg-type]
_api = ApiHandler()
_lifespan = Lifespan()


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def application(scope: Any, receive: Receive, send: Send) -> None:
    match scope["type"]:
        case "http":
            first = scope["path"].split("/", 2)[1]
            await (_api if first in API_PATHS else _django)(scope, receive, send)
        case "websocket":
            try:
                await _websockets(scope, receive, send)
            except ValueError:  # Channels' way to say that there is no such path
                await _refuse_websocket(receive, send)
        case "lifespan":
            await _lifespan(scope, receive, send)


__all__ = ["application", "watching"]
