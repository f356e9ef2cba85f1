"""The HTTP side of what reaches into pods: logs, and what kubectl asks after a refused WebSocket.

Logs are streamed piece by piece as they come from the node. exec, attach and port-forward need a WebSocket (`nodes`);
over plain HTTP they are answered with the Status that the WebSocket was refused with, or with why it is needed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from controlplane.access import authentication
from controlplane.access.authentication import CsrfFailed
from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.access.identity import Identity
from controlplane.nodes import exec as execs
from controlplane.nodes import logs, port_forward, refusals
from controlplane.nodes.errors import Close, Refused, StreamClosed
from controlplane.nodes.pipe import End
from controlplane.nodes.query import Query
from controlplane.store import pool
from schema.session import StreamKind

log = logging.getLogger(__name__)

_LEFT = Close(1001, "the client went away")

View = Callable[[HttpRequest, Identity, str, str], Awaitable[HttpResponseBase]]
Answer = Callable[..., Any]
"""An asynchronous view; Django's types know only the others."""


def endpoint(*methods: str) -> Callable[[View], Answer]:
    """An asynchronous view of a pod's subresource: knows who asks, and answers refusals with a Status."""

    def decorate(view: View) -> Answer:
        @csrf_exempt  # `identify` checks the token of a session itself; bearer tokens need none
        @wraps(view)
        async def answer(request: HttpRequest, namespace: str, pod: str) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    raise Refused(
                        405,
                        "the server does not allow this method on the requested resource",
                        reason="MethodNotAllowed",
                    )
                return await view(request, await identify(request), namespace, pod)
            except Refused as refused:
                return refusal(refused)

        return answer

    return decorate


async def identify(request: HttpRequest) -> Identity:
    """Raises `Refused`."""
    try:
        known = authentication.recall(request.META.get("HTTP_AUTHORIZATION"))
        return known if known is not None else await pool.run(authentication.identify, request)
    except Unauthenticated:
        raise Refused(401, "Unauthorized") from None
    except TooManyFailures as error:
        raise Refused(429, str(error)) from None
    except CsrfFailed as error:
        raise Refused(403, str(error)) from None


def refusal(refused: Refused) -> HttpResponse:
    response = JsonResponse(refused.status(), status=refused.code)
    if refused.code == 401:
        response["WWW-Authenticate"] = 'Bearer realm="slipway"'
    if refused.code in {429, 503}:
        response["Retry-After"] = "1"
    return response


@endpoint("GET")
async def pod_log(request: HttpRequest, identity: Identity, namespace: str, pod: str) -> HttpResponseBase:
    end = await logs.open_log(identity, namespace, pod, request.META.get("QUERY_STRING", ""))
    return log_response(end, f"{namespace}/{pod}")


def log_response(end: End, what: str) -> HttpResponseBase:
    response = StreamingHttpResponse(_Pieces(end, what), content_type="text/plain; charset=utf-8")
    response["Cache-Control"] = "no-cache, private"
    # A proxy that gathers the pieces would hold back a log that somebody follows.
    response["X-Accel-Buffering"] = "no"
    return response


class _Pieces:
    """The body of a log. Closes the stream also when Django drops the response before its first piece."""

    def __init__(self, end: End, what: str) -> None:
        self._end = end
        self._what = what
        self._loop = asyncio.get_running_loop()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while True:
                frame = await self._end.receive()
                yield frame if isinstance(frame, bytes) else frame.encode()
        except StreamClosed as closed:
            if closed.close.code != 1000:
                log.warning("the log of %s was cut: %s", self._what, closed.close.reason or closed.close.code)
                # Django leaves a response without its end when its task is cancelled, and the server then cuts the
                # connection: the client sees that something is missing. Any other exception would do so with a
                # traceback in the server's log.
                raise asyncio.CancelledError from None
        finally:
            self._end.close(_LEFT)

    def close(self) -> None:
        """Django calls it in a thread."""
        self._loop.call_soon_threadsafe(self._end.close, _LEFT)


@endpoint("GET", "POST")
async def pod_exec(request: HttpRequest, identity: Identity, namespace: str, pod: str) -> HttpResponseBase:
    return await _answer_exec(request, identity, namespace, pod, StreamKind.EXEC)


@endpoint("GET", "POST")
async def pod_attach(request: HttpRequest, identity: Identity, namespace: str, pod: str) -> HttpResponseBase:
    return await _answer_exec(request, identity, namespace, pod, StreamKind.ATTACH)


@endpoint("GET", "POST")
async def pod_port_forward(request: HttpRequest, identity: Identity, namespace: str, pod: str) -> HttpResponseBase:
    await pool.run(port_forward.find, identity, namespace, pod)
    raise await _remembered(request, identity) or _needs_websocket()


async def _answer_exec(
    request: HttpRequest, identity: Identity, namespace: str, pod: str, kind: StreamKind
) -> HttpResponseBase:
    """Never runs the command: it may have run already."""
    await execs.check(identity, namespace, pod, Query(request.META.get("QUERY_STRING", "")), kind)
    raise await _remembered(request, identity) or _needs_websocket()


async def _remembered(request: HttpRequest, identity: Identity) -> Refused | None:
    return await refusals.recall(identity, request.path, request.META.get("QUERY_STRING", ""))


def _needs_websocket() -> Refused:
    return Refused(400, "this needs a WebSocket: kubectl 1.30 or newer, or another client that does not insist on SPDY")


_POD = "api/v1/namespaces/<str:namespace>/pods/<str:pod>"

urlpatterns: list[URLPattern] = [
    path(f"{_POD}/log", pod_log),
    path(f"{_POD}/exec", pod_exec),
    path(f"{_POD}/attach", pod_attach),
    path(f"{_POD}/portforward", pod_port_forward),
]
"""Before the generic resource view's."""
