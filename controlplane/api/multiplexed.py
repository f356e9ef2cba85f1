"""``/ws/watch``: many watches over one WebSocket, for the dashboard.

The client says ``{"op": "watch", "id": "a", "path": "/api/v1/pods", "query": {…}}`` and ``{"op": "stop", "id": "a"}``.
The server says ``{"id": "a", "type": "ADDED|MODIFIED|DELETED|BOOKMARK|ERROR", "object": {…}}``; a frame holds one such
message on each of its lines. A watch without a
resourceVersion begins with all objects as ADDED and the bookmark that ends them. An ERROR ends its watch: its object is
a Status, 410 where the client must start over without a resourceVersion. END ends it as well, when it has run its time:
start it anew from where it was. Secrets come with their keys and without values (see `reveal`). ``{"op": "ping", "id": "p"}``
is answered with PONG, so that a page can tell a quiet connection from a dead one.

Who dialled is asked again every `RECHECK_SECONDS`: a log-out or a revoked token ends the connection, a lost right the watches
that needed it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson
from django.db import DatabaseError

from controlplane.access import authentication, authorization
from controlplane.access.errors import AccessError, TooManyFailures
from controlplane.access.identity import Identity
from controlplane.api import errors, query, rendering, routing, tables, watching
from controlplane.api.presentation import Form, Presentation
from controlplane.api.query import ListOptions
from controlplane.api.routing import Target
from controlplane.api.watching import Watch
from controlplane.nodes.errors import Disconnected, Refused
from controlplane.nodes.websocket import Socket
from controlplane.store import pool
from schema import kinds
from schema.base import Wire

log = logging.getLogger(__name__)

MAX_WATCHES = 64
MAX_MESSAGE_BYTES = 64 * 1024
RECHECK_SECONDS = 30.0
_POLICY_VIOLATION = 1008
_PONG = b'{"type":"PONG","object":{}}\n'
_ERROR = b'{"type":"ERROR"'
_END = b'{"type":"END","object":{}}\n'


@dataclass(frozen=True)
class _Ask:
    id: str
    target: Target
    options: ListOptions


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    socket = Socket(scope, receive, send)
    try:
        identity = await authentication.identify_scope(scope)
    except TooManyFailures as error:
        await socket.refuse(Refused(429, str(error)))
        return
    except AccessError as error:
        await socket.refuse(Refused(401, str(error)))
        return
    try:
        await socket.accept()
        await _Connection(socket, scope, identity).run()
    except Disconnected:
        return


class _Connection:
    """A task per watch; their frames leave through one lock, so a slow client slows its watches."""

    def __init__(self, socket: Socket, scope: Any, identity: Identity) -> None:
        self._socket = socket
        self._scope = scope
        self._identity = identity
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._targets: dict[str, Target] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        rechecking = asyncio.create_task(self._recheck_now_and_then(), name="multiplexed recheck")
        try:
            while True:
                await self._take(await self._socket.receive())
        finally:
            tasks = [rechecking, *self._watches.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _recheck_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await self._recheck()
            except (AccessError, Disconnected):
                await self._socket.close(_POLICY_VIOLATION, "signed out, or no longer let in")
                return
            except DatabaseError as error:
                log.warning("who watches cannot be asked again now: %s", error)

    async def _recheck(self) -> None:
        """Raises `AccessError` where nobody knows them any more."""
        self._identity = await authentication.identify_scope(self._scope)
        for name, target in list(self._targets.items()):
            if not await self._may_watch(target):
                self._stop(name)
                await self._tell(name, watching.line("ERROR", self._forbidden(target).status()))

    async def _take(self, frame: str | bytes) -> None:
        """Raises `Disconnected` after what ends the connection."""
        message = _parse(frame)
        name = message.get("id") if message is not None else None
        if message is None or not isinstance(name, str):
            return await self._end("not a message of this protocol")
        if message.get("op") == "ping":
            return await self._tell(name, _PONG)
        self._stop(name)
        if message.get("op") == "watch":
            if len(self._watches) >= MAX_WATCHES:
                return await self._end(f"one connection carries at most {MAX_WATCHES} watches")
            self._start(name, message)
        return None

    async def _end(self, why: str) -> None:
        await self._socket.close(_POLICY_VIOLATION, why)
        raise Disconnected

    def _stop(self, name: str) -> None:
        self._targets.pop(name, None)
        task = self._watches.pop(name, None)
        if task is not None:
            task.cancel()

    def _start(self, name: str, message: Wire) -> None:
        task = asyncio.create_task(self._watch(name, message), name=f"multiplexed watch {name}")
        self._watches[name] = task
        task.add_done_callback(lambda ended: self._ended(name, ended))

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._watches.get(name) is task:
            del self._watches[name]
            self._targets.pop(name, None)
        if not task.cancelled() and (failure := task.exception()) is not None and not isinstance(failure, Disconnected):
            log.error("multiplexed watch %s ended unexpectedly", name, exc_info=failure)

    async def _watch(self, name: str, message: Wire) -> None:
        try:
            watch = await self._open(name, message)
            lines = b""
            async with aclosing(watch.events()) as events:
                async for lines in events:
                    await self._tell(name, lines)
            if not lines.startswith(_ERROR):
                await self._tell(name, _END)
        except Exception as error:
            known = errors.from_exception(error)
            if known is None:
                raise
            await self._tell(name, watching.line("ERROR", known.status()))

    async def _open(self, name: str, message: Wire) -> Watch:
        asked = await pool.run(_ask, name, message)
        target = asked.target
        if not await self._may_watch(target):
            raise self._forbidden(target)
        self._targets[name] = target
        shown = Presentation(Form.MASKED if target.kind is kinds.SECRET else Form.PLAIN)
        return await pool.run(watching.open_watch, target, asked.options, shown, tables.include(""))

    async def _may_watch(self, target: Target) -> bool:
        found: bool = await pool.run(
            authorization.allowed, self._identity, "watch", target.kind, target.namespace, "", ""
        )
        return found

    def _forbidden(self, target: Target) -> errors.Forbidden:
        return errors.forbidden(
            "watch", target.kind, user=self._identity.name, namespace=target.namespace, name="", subresource=""
        )

    async def _tell(self, name: str, lines: bytes) -> None:
        """What comes together leaves in one frame, a line for each event: the id goes in front of what the line holds.
        A frame for each would cost server and page more than all that is in it."""
        start = b'{"id":%b,' % rendering.dumps(name)
        frame = b"\n".join(start + line[1:] for line in lines.split(b"\n")[:-1])
        async with self._sending:
            await self._socket.send(frame.decode())


def _parse(frame: str | bytes) -> Wire | None:
    if len(frame) > MAX_MESSAGE_BYTES:
        return None
    try:
        message = orjson.loads(frame)
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None


def _ask(name: str, message: Wire) -> _Ask:
    """Raises `ApiError` and `SelectorError`."""
    path, given = message.get("path"), message.get("query") or {}
    target = routing.parse(path) if isinstance(path, str) else None
    if target is None or target.name or "watch" not in target.kind.verbs:
        raise errors.unknown_path()
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise errors.BadRequest("query must be an object of strings")
    query.check(given)
    asked = {key: given[key] for key in ("labelSelector", "fieldSelector", "resourceVersion") if given.get(key)}
    options = ListOptions.parse({**asked, "watch": "true", "allowWatchBookmarks": "true"}, target.kind)
    if options.revision is None:
        options = replace(options, send_initial_events=True)
    return _Ask(name, target, replace(options, timeout_seconds=query.MAX_TIMEOUT_SECONDS))
