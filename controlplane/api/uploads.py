"""``PUT …/builds/<name>/context``: a context on its way to disk. Never in memory as a whole, so it does not go the way of others.

A sender that gives ``Content-Range: bytes 0-1048575/52428800`` may send it in pieces, and after a break ask with GET how
much is here and go on from there; without the header the body is all of it. ``Digest: sha-256=<hex>`` or ``?digest=sha256:…``
with the last piece is held against what came. The answer is 202 with ``{"received": …}`` for a piece and 201 for the whole;
413 beyond the limit, 416 for a piece that does not follow, 409 where there is a whole context already.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse

from controlplane.access import authorization
from controlplane.access.identity import Identity
from controlplane.api import errors, rendering, streams
from controlplane.api.errors import ApiError
from controlplane.builds import builds, contexts
from controlplane.builds.contexts import Receiver
from controlplane.builds.errors import Busy, Corrupt, NoRoom, TooLarge, WrongOffset
from controlplane.nodes.errors import Refused
from controlplane.store import objects, pool
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PIECE_SECONDS = 60.0
"""A sender may pause this long."""
_WRITE_BYTES = 1024 * 1024
_PATH = re.compile(r"/apis/slipway\.dev/v1/namespaces/([^/]+)/builds/([^/]+)/context/?")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def takes(scope: Scope) -> bool:
    return scope["method"] == "PUT" and _PATH.fullmatch(scope["path"]) is not None


@dataclass(frozen=True)
class Piece:
    start: int = 0
    end: int | None = None
    """After its last byte; None: where the body ends."""
    total: int | None = None
    digest: str = ""


async def answer(request: HttpRequest, receive: Receive) -> HttpResponse:
    """Whatever goes wrong is a Status; what came of a piece before that is kept, for the sender to go on."""
    found = _PATH.fullmatch(request.path)
    assert found is not None  # noqa: S101 - `takes` has seen it
    try:
        identity = await streams.identify(request)
        piece = _piece(request)
        build = await pool.run(_build, identity, found[1], found[2])
        return await _take(build, piece, _body(receive))
    except Refused as refused:
        return streams.refusal(refused)
    except ApiError as error:
        response = HttpResponse(rendering.dumps(error.status()), status=error.code, content_type=rendering.JSON)
        response["Connection"] = "close"  # the rest of the body is not worth reading
        return response


def _build(identity: Identity, namespace: str, name: str) -> Wire:
    if not authorization.allowed(identity, "update", kinds.BUILD, namespace, name, "context"):
        raise errors.forbidden(
            "update", kinds.BUILD, user=identity.name, namespace=namespace, name=name, subresource="context"
        )
    try:
        build = objects.get(kinds.BUILD, namespace, name)
    except NotFound:
        raise errors.not_found(kinds.BUILD, name) from None
    if not builds.wants_upload(build):
        raise errors.Conflict(f'build "{name}" takes no context: its spec.context.upload is not true')
    if builds.has_context(build):
        raise errors.Conflict(f'build "{name}" has its context already; it cannot be replaced')
    return build


def _piece(request: HttpRequest) -> Piece:
    given = parse_qs(request.META.get("QUERY_STRING", "")).get("digest", [""])[0]
    if given and not _DIGEST.fullmatch(given):
        raise errors.BadRequest("digest: sha256: and 64 hexadecimal digits are needed")
    header = request.headers.get("Content-Range")
    if header is None:
        length = request.headers.get("Content-Length", "")
        return Piece(0, None, int(length) if length.isdigit() else None, given)
    found = _RANGE.fullmatch(header)
    if found is None or int(found[2]) < int(found[1]):
        raise errors.BadRequest("Content-Range: it looks like bytes 0-1048575/52428800")
    total = None if found[3] == "*" else int(found[3])
    end = int(found[2]) + 1
    if total is not None and end > total:
        raise errors.BadRequest("Content-Range: the piece ends after the whole")
    return Piece(int(found[1]), end, total, given)


async def _take(build: Wire, piece: Piece, body: AsyncIterator[bytes]) -> HttpResponse:
    metadata = build["metadata"]
    uid = metadata["uid"]
    with _as_api_errors():
        if piece.total is not None:
            contexts.check_total(piece.total)
        digest = await _store(uid, piece, body)
    if digest:
        await pool.run(builds.note_context, metadata["namespace"], metadata["name"], uid, digest)
    state = contexts.state(uid)
    return _json({"received": state.received, "complete": bool(digest)}, 201 if digest else 202)


async def _store(uid: str, piece: Piece, body: AsyncIterator[bytes]) -> str:
    """The digest of the whole, if it is whole now."""
    if contexts.state(uid).complete:  # it came, and a process died before it was noted
        return await asyncio.to_thread(contexts.digest_of, contexts.path(uid))
    with contexts.receiving(uid, piece.start) as receiver:
        ended = await _append(receiver, piece, body)
        whole = ended if piece.end is None else receiver.received == piece.total
        if piece.end is not None and receiver.received != piece.end:
            raise errors.BadRequest(f"the body ended at byte {receiver.received}, Content-Range says {piece.end}")
        return await asyncio.to_thread(receiver.finish, piece.digest) if whole else ""


async def _append(receiver: Receiver, piece: Piece, body: AsyncIterator[bytes]) -> bool:
    waiting: list[bytes] = []
    size = 0
    async for data in body:
        if piece.end is not None and receiver.received + size + len(data) > piece.end:
            raise errors.BadRequest("the body is longer than Content-Range says")
        waiting.append(data)
        size += len(data)
        if size >= _WRITE_BYTES:
            await asyncio.to_thread(receiver.append, b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        await asyncio.to_thread(receiver.append, b"".join(waiting))
    return True


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    """Raises `Refused` where the sender went away: what is written stays."""
    more = True
    while more:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Refused(408, "the sender said nothing for too long") from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "the sender went away")
        if data := message.get("body", b""):
            yield data
        more = message.get("more_body", False)


@contextlib.contextmanager
def _as_api_errors() -> Iterator[None]:
    try:
        yield
    except TooLarge as error:
        raise errors.BodyTooLarge(str(error)) from None
    except WrongOffset as error:
        raise errors.OutOfRange(str(error)) from None
    except Busy as error:
        raise errors.Conflict(str(error)) from None
    except Corrupt as error:
        raise errors.BadRequest(str(error)) from None
    except NoRoom as error:
        raise errors.InsufficientStorage(str(error)) from None


def _json(value: Wire, status: int) -> HttpResponse:
    return HttpResponse(rendering.dumps(value), status=status, content_type=rendering.JSON)
