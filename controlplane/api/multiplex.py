"""``/ws/watch``: many watches over one WebSocket, for the dashboard.

The client sends ``{"op": "watch", "id": …, "path": "/api/v1/pods", "query": {…}}`` and ``{"op": "stop", "id": …}``; each
event comes back as ``{"id": …, "type": …, "object": …}``. Without a resourceVersion a watch begins with all objects as
ADDED and a bookmark. A refusal is an ERROR event with the Status. A login that has ended closes with 4401.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson

from controlplane.access import authentication, authorization
from controlplane.access.errors import TooManyFailures, Unauthenticated
from controlplane.access.identity import Identity
from controlplane.api import errors, routing
from controlplane.api.presentation import Presentation
from controlplane.api.query import ListOptions
from controlplane.api.watching import Watcher, stopping
from controlplane.nodes.errors import Disconnected
from controlplane.nodes.websocket import Receive, Scope, Send, Socket
from controlplane.store import pool

log = logging.getLogger(__name__)

MAX_WATCHES = 100
CHECK_SECONDS = 30.0
"""How often it is checked that the login still stands."""
UNAUTHENTICATED = 4401
GOING_AWAY = 1012


class WatchSocket:
    def __init__(self, socket: Socket, identity: Identity) -> None:
        self._socket = socket
        self._identity = identity
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        helpers = [
            asyncio.create_task(self._check(), name="watch socket login"),
            asyncio.create_task(self._stop(), name="watch socket stop"),
        ]
        try:
            while True:
                await self._take(await self._socket.receive())
        except Disconnected:
            return
        finally:
            everything = [*helpers, *self._watches.values()]
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)

    async def _take(self, frame: bytes | str) -> None:
        try:
            message = orjson.loads(frame)
            operation, key = message["op"], str(message["id"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            await self._fail("", errors.BadRequest("each message is a JSON object with op and id"))
            return
        previous = self._watches.pop(key, None)
        if previous is not None:
            previous.cancel()
        if operation == "watch":
            await self._open(key, message)

    async def _open(self, key: str, message: dict[str, Any]) -> None:
        try:
            if len(self._watches) >= MAX_WATCHES:
                raise errors.TooManyRequests(f"at most {MAX_WATCHES} watches fit into one connection")
            watcher = await self._watcher(message)
        except Exception as error:  # noqa: BLE001 - the outer edge of one watch: the others go on
            await self._fail(key, _api_error(error))
            return
        self._watches[key] = asyncio.create_task(self._carry(key, watcher), name=f"watch {message['path']}")

    async def _watcher(self, message: dict[str, Any]) -> Watcher:
        path, query = message.get("path"), message.get("query") or {}
        if not isinstance(path, str) or not isinstance(query, dict):
            raise errors.BadRequest("a watch needs a path, and its query is an object")
        target = routing.parse(path)
        if target is None or target.name:
            raise errors.unknown_path()
        allowed = await pool.run(authorization.allowed, self._identity, "watch", target.kind, target.namespace, "", "")
        if not allowed:
            raise errors.forbidden(
                "watch", target.kind, user=self._identity.name, namespace=target.namespace, name="", subresource=""
            )
        given = {str(name): str(value) for name, value in query.items()} | {
            "watch": "true",
            "allowWatchBookmarks": "true",
        }
        if not given.get("resourceVersion"):
            given |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
        return Watcher(target, ListOptions.parse(given), Presentation(), "None")

    async def _carry(self, key: str, watcher: Watcher) -> None:
        prefix = b'{"id":%b,' % orjson.dumps(key)
        try:
            async for line in watcher.events():
                await self._send(prefix + line[1:-1])
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - likewise
            await self._fail(key, _api_error(error))

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            await self._socket.send(frame.decode())

    async def _fail(self, key: str, error: errors.ApiError) -> None:
        await self._send(orjson.dumps({"id": key, "type": "ERROR", "object": error.status()}))

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await authentication.identify_scope(self._socket.scope)
            except (Unauthenticated, TooManyFailures):
                await self._socket.close(UNAUTHENTICATED, "the login has ended")
                return

    async def _stop(self) -> None:
        await stopping().wait()
        await self._socket.close(GOING_AWAY, "the server restarts")


def _api_error(error: Exception) -> errors.ApiError:
    known = errors.from_exception(error)
    if known is None:
        log.error("a watch failed", exc_info=error)
        return errors.InternalError("an internal error occurred; the server's log says more")
    return known


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    socket = Socket(scope, receive, send)
    try:
        identity = await authentication.identify_scope(scope)
    except (Unauthenticated, TooManyFailures):
        # Accepted first: a browser shows its script the code of a close, but no HTTP status.
        await socket.accept()
        await socket.close(UNAUTHENTICATED, "sign in first")
        return
    await socket.accept()
    await WatchSocket(socket, identity).run()
