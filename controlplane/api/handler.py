"""How a request to the API gets from ASGI to its view and back.

Django's own handler gives each request a thread and with it a new database connection, and sends its signals through
further threads. Here a view runs on one of the store's threads, which keep their connections; what streams (watches,
logs) is awaited on the event loop and costs no thread. Middleware is not run: views authenticate by themselves, and a
browser's session is attached to the request where its cookie comes along.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern

from controlplane.api import bodies, errors, metrics, rendering, uploads, urls
from controlplane.api.base import Labels
from controlplane.api.errors import ApiError, BodyTooLarge
from controlplane.store import pool

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 60.0
"""A client may pause this long within its body."""
SEND_SECONDS = 60.0
"""A stream whose client takes nothing for this long is cut."""

_resolver = URLResolver(RegexPattern(r"^/"), urls.urlpatterns)
_FIRST_SEGMENTS = frozenset(prefix.strip("/") for prefix in urls.PREFIXES)


class Disconnected(Exception):
    """The client went away before its request was complete."""


def serves(path: str) -> bool:
    return path.split("/", 2)[1:2] != [] and path.split("/", 2)[1] in _FIRST_SEGMENTS


class Handler:
    """The ASGI application for the API's paths."""

    def __init__(self) -> None:
        self._streams: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if uploads.takes(scope):  # too large to be read first
                request, response = await self._upload(scope, receive)
            else:
                request, response = await self._answer(scope, receive)
        except Disconnected:
            return
        if isinstance(response, StreamingHttpResponse):
            await self._stream(request, response, receive, send)
        else:
            await send(_start(response))
            content = cast(HttpResponse, response).content
            await send({"type": "http.response.body", "body": content})
        response.close()

    async def drain(self) -> None:
        """End every stream: the server is about to stop."""
        streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)

    # -- the answer

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[HttpRequest | None, HttpResponseBase]:
        try:
            body = await _read_body(scope, receive)
        except BodyTooLarge as error:
            refusal = status_response(error)
            refusal["Connection"] = "close"  # the rest of the body is not worth reading
            return None, refusal
        started = time.perf_counter()
        try:
            request = make_request(scope, body)
        except ValueError:
            return None, status_response(errors.BadRequest("the request's path, query or headers cannot be read"))
        response = await respond(request)
        labels: Labels = getattr(response, "labels", None) or Labels(str(request.method).lower())
        elapsed = time.perf_counter() - started
        metrics.observe(labels.verb, labels.resource, labels.subresource, response.status_code, elapsed)
        return request, response

    async def _upload(self, scope: Scope, receive: Receive) -> tuple[HttpRequest | None, HttpResponseBase]:
        try:
            request = make_request(scope, b"")
            return request, await uploads.answer(request, receive)
        except ValueError:
            return None, status_response(errors.BadRequest("the request's path, query or headers cannot be read"))
        except Exception as error:  # noqa: BLE001 - the outer edge
            return None, failure(error, "PUT", scope["path"])

    # -- streams

    async def _stream(
        self, request: HttpRequest | None, response: StreamingHttpResponse, receive: Receive, send: Send
    ) -> None:
        path = request.path if request is not None else ""
        pump = asyncio.create_task(_pump(response, send), name=f"stream {path}")
        gone = asyncio.create_task(_disconnected(receive), name=f"disconnect {path}")
        self._streams.add(pump)
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(pump)
            client_left = gone.done()
            for task in (pump, gone):
                task.cancel()
            await asyncio.gather(pump, gone, return_exceptions=True)
        if client_left or not pump.done():
            return
        if pump.cancelled():
            # By `drain`, or because what it passed on broke off. Without an end the server cuts the connection, and the
            # client learns that something is missing.
            if getattr(response, "ends_cleanly", False):
                await send({"type": "http.response.body", "body": b""})
        elif (failure := pump.exception()) is not None and not isinstance(failure, TimeoutError):
            log.error("the stream %s broke off", path, exc_info=failure)


async def _pump(response: StreamingHttpResponse, send: Send) -> None:
    await send(_start(response))
    async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(response))) as pieces:
        async for piece in pieces:
            async with asyncio.timeout(SEND_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


# -- requests


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """At most what is allowed: a longer one is refused by its header, or once it has come too far."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            bodies.check_size(int(value))
    pieces: list[bytes] = []
    length, more = 0, True
    while more:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Disconnected from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        piece = message.get("body", b"")
        length += len(piece)
        bodies.check_size(length)
        pieces.append(piece)
        more = message.get("more_body", False)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def make_request(scope: Scope, body: bytes) -> HttpRequest:
    """Raises ValueError for what is no text."""
    request = ASGIRequest(scope, io.BytesIO(body))
    request.META["CONTENT_LENGTH"] = str(len(body))  # a chunked body has none, and DRF would take it for empty
    if "HTTP_AUTHORIZATION" not in request.META and settings.SESSION_COOKIE_NAME in request.COOKIES:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        request.session = store(request.COOKIES[settings.SESSION_COOKIE_NAME])
    return request


# -- views


async def respond(request: HttpRequest) -> HttpResponseBase:
    try:
        match = _resolver.resolve(request.path_info)
    except Resolver404:
        return status_response(errors.unknown_path())
    request.resolver_match = match
    if iscoroutinefunction(match.func):
        try:
            response: HttpResponseBase = await match.func(request, *match.args, **match.kwargs)
        except Exception as error:  # noqa: BLE001 - the outer edge
            return failure(error, str(request.method), request.path)
        return response
    return await pool.run(call, match.func, request, match.args, match.kwargs)


def call(view: Callable[..., Any], request: HttpRequest, args: Any, kwargs: Any) -> HttpResponseBase:
    """Run a synchronous view and render its answer; whatever goes wrong is a Status."""
    try:
        response: Any = view(request, *args, **kwargs)
        if hasattr(response, "render"):
            response.render()
        answer: HttpResponseBase = response
    except Exception as error:  # noqa: BLE001 - the outer edge
        return failure(error, str(request.method), request.path)
    return answer


def respond_sync(request: HttpRequest) -> HttpResponseBase:
    """As `respond`, for a synchronous view in the calling thread: for tests."""
    try:
        match = _resolver.resolve(request.path_info)
    except Resolver404:
        return status_response(errors.unknown_path())
    return call(match.func, request, match.args, match.kwargs)


# -- responses


def failure(error: Exception, method: str, path: str) -> HttpResponse:
    """What is left to say at the outer edge: views turn what they expect into a Status themselves."""
    known = errors.from_exception(error)
    if known is None:
        log.error("%s %s failed", method, path, exc_info=error)
        known = errors.InternalError("an internal error occurred; the server's log says more")
    return status_response(known)


def status_response(error: ApiError) -> HttpResponse:
    return HttpResponse(
        rendering.dumps(error.status()), status=error.code, content_type=rendering.JSON, headers=error.headers()
    )


def _start(response: HttpResponseBase) -> MutableMapping[str, Any]:
    headers = [(name.encode("latin-1").lower(), value.encode("latin-1")) for name, value in response.items()]
    # A log, and what a pod writes into one, is text, whatever it looks like: it comes from where browsers are logged in.
    headers.append((b"x-content-type-options", b"nosniff"))
    if isinstance(response, HttpResponse):
        headers.append((b"content-length", str(len(response.content)).encode()))
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}
