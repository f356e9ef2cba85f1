"""Redis as the web processes' way to reach each other.

Messages to whoever holds a node's session go by publish and subscribe (`publish` answers how many heard it); the pieces
of relayed streams go through lists (`relay`). Without Redis a process goes on alone: its own sessions and streams work.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any

import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

from controlplane.nodes import tasks
from controlplane.nodes.errors import BusDown

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 1.0
READY_SECONDS = 1.0
"""How long a subscriber waits for the connection before it goes on without."""

Handler = Callable[[bytes], None]


class Bus:
    """One per process and event loop. ``process`` is its name among the others."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self._client: redis.asyncio.Redis | None = None
        self._subscriptions: redis.asyncio.client.PubSub | None = None
        self._handlers: dict[str, Handler] = {}
        self._listener: asyncio.Task[Any] | None = None
        self._settled = asyncio.Event()
        """The listener is connected, or has found that it cannot be for now."""
        self._changing = asyncio.Lock()

    @property
    def client(self) -> redis.asyncio.Redis:
        if self._client is None:
            self._client = connect()
        return self._client

    async def publish(self, channel: str, message: bytes) -> int:
        """How many processes were listening. Raises `BusDown`."""
        try:
            return int(await self.client.publish(key(channel), message))
        except (RedisError, OSError) as error:
            raise BusDown(str(error)) from error

    async def subscribe(self, channel: str, handler: Handler) -> None:
        """Call ``handler`` with each message. Without Redis the subscription is made when it comes back."""
        self._handlers[key(channel)] = handler
        if self._listener is None:
            self._listener = tasks.spawn(self._listen(), name="bus listener")
        try:
            await asyncio.wait_for(self._settled.wait(), READY_SECONDS)
            async with self._changing:
                if self._subscriptions is not None:
                    await self._subscriptions.subscribe(key(channel))
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("redis: %s; subscribing when it answers", error or "no answer")

    async def unsubscribe(self, channel: str, handler: Handler) -> None:
        """Only if ``handler`` is still the one: a newer session may have taken the channel over."""
        if self._handlers.get(key(channel)) != handler:
            return
        del self._handlers[key(channel)]
        try:
            async with self._changing:
                if self._subscriptions is not None:
                    await self._subscriptions.unsubscribe(key(channel))
        except (RedisError, OSError) as error:
            log.debug("redis: %s", error)

    async def aclose(self) -> None:
        if self._listener is not None:
            await tasks.cancel(self._listener)
        if self._client is not None:
            await self._client.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                async with connect(blocking=True) as client, client.pubsub() as subscriptions:
                    async with self._changing:
                        # A channel that is always there keeps the connection subscribed when no node is.
                        await subscriptions.subscribe(key(f"process:{self.process}"), *self._handlers)
                        self._subscriptions = subscriptions
                    self._settled.set()
                    await self._deliver(subscriptions)
            except (RedisError, OSError) as error:
                if self._subscriptions is not None or not self._settled.is_set():
                    log.warning("redis: %s; other web processes are out of reach until it is back", error)
            self._subscriptions = None
            self._settled.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _deliver(self, subscriptions: redis.asyncio.client.PubSub) -> None:
        async for message in subscriptions.listen():
            handler = self._handlers.get(message["channel"].decode())
            if message["type"] != "message" or handler is None:
                continue
            try:
                handler(message["data"])
            except Exception:
                log.exception("a message on %s was dropped", message["channel"])


def key(name: str) -> str:
    return settings.REDIS_PREFIX + name


def connect(*, blocking: bool = False) -> redis.asyncio.Redis:
    """``blocking``: for commands that wait on the server, whose silence is no fault."""
    # A peer that vanished without a word is found out by the kernel; a unix socket has no such case.
    remote = {} if settings.REDIS_URL.startswith("unix:") else {"socket_keepalive": True}
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=None if blocking else TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        **remote,
    )
    return client
