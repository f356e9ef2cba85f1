"""The ASGI application: one for both listeners, for HTTP and WebSockets.

* The API's paths go to `api.handler`, which runs views on the store's threads.
* WebSockets go through Channels' router to the consumers of `nodes` and to the multiplexed watch.
* The dashboard's scripts and styles go to `dashboard.files`.
* Everything else (its page and its login) goes to Django's own handler.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
django.setup(set_prefix=False)

from channels.routing import URLRouter  # noqa: E402 - what follows needs Django's settings
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.urls import re_path  # noqa: E402

from controlplane.api import handler, multiplexed, process, warming  # noqa: E402
from controlplane.nodes import hub, tasks  # noqa: E402
from controlplane.nodes.errors import Refused  # noqa: E402
from controlplane.nodes.routing import websocket_urlpatterns  # noqa: E402
from controlplane.nodes.websocket import Socket  # noqa: E402
from controlplane.store import feed, pool  # noqa: E402
from dashboard import files  # noqa: E402

log = logging.getLogger(__name__)


async def _refuse(scope: Any, receive: Any, send: Any) -> None:
    await Socket(scope, receive, send).refuse(Refused(404, "there is no WebSocket at this path", reason="NotFound"))


# Django's types know views only; Channels puts ASGI applications in their place, and has no types itself.
_routes: list[tuple[str, Any]] = [("^ws/watch$", multiplexed.application), ("", _refuse)]
_router: Any = URLRouter


class Application:
    def __init__(self) -> None:
        self._api = handler.Handler()
        self._files = files.Files()
        self._pages = ASGIHandler()
        self._sockets = _router([*websocket_urlpatterns, *(re_path(route, served) for route, served in _routes)])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await self._serving(scope["path"])(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
        else:
            await self._lifespan(receive, send)

    def _serving(self, path: str) -> Any:
        if handler.serves(path):
            return self._api
        return self._files if files.serves(path) else self._pages

    async def start(self) -> None:
        """The feed follows from now on; it waits for the database by itself, and readiness tells when it has it."""
        process.feed = feed.start()
        hub.current()  # views in threads look for it
        tasks.spawn(pool.run(warming.warm), name="warm up")

    async def drain(self) -> None:
        """Not ready any more, and every watch and log ended: new ones go elsewhere or come back later."""
        process.draining = True
        await self._api.drain()

    async def stop(self) -> None:
        await self.drain()
        await hub.current().aclose()
        await feed.stop()
        process.feed = None
        await asyncio.to_thread(pool.close_connections)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        """For servers other than `controlplane.serve`, which calls `start` and `stop` itself."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


application = Application()
