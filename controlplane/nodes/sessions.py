"""Which nodes have their session in this process, and how to reach those that have it in another."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Literal, Protocol, cast

from django.conf import settings
from pydantic import BaseModel, ValidationError

from controlplane.nodes import bus
from controlplane.nodes.bus import Bus, Handler
from controlplane.nodes.errors import BusDown
from schema.session import OpenStream

log = logging.getLogger(__name__)


class Session(Protocol):
    """What the registry knows of a session. Neither method waits."""

    @property
    def id(self) -> str: ...

    @property
    def node(self) -> str: ...

    def open_stream(self, request: OpenStream) -> None: ...

    def supersede(self) -> None:
        """The node has a newer session: end this one."""

    def rotate(self) -> None:
        """Have the agent renew its credential."""

    def check_credential(self) -> None:
        """The credential may have been revoked a moment ago: find out now."""


class _Message(BaseModel):
    """What processes say to whoever holds a node's session."""

    op: Literal["open", "replaced", "rotate", "check"]
    stream: OpenStream | None = None
    session: str = ""


class Sessions:
    """One per process and event loop."""

    def __init__(self, bus: Bus) -> None:
        self._attached = asyncio.Event()
        """Set, and replaced, whenever a session is attached."""
        self._bus = bus
        self._here: dict[str, Session] = {}
        self._handlers: dict[str, Handler] = {}

    def __len__(self) -> int:
        return len(self._here)

    def find(self, node: str) -> Session | None:
        return self._here.get(node)

    async def attach(self, session: Session) -> None:
        """Make it the node's session; an earlier one, here or elsewhere, ends."""
        earlier = self._here.get(session.node)
        self._here[session.node] = session
        if earlier is not None:
            earlier.supersede()
        self._attached.set()
        self._attached = asyncio.Event()
        handler = self._handlers[session.id] = partial(self._heard, session)
        await self._bus.subscribe(_channel(session.node), handler)
        try:
            await self._bus.publish(_channel(session.node), _encode(_Message(op="replaced", session=session.id)))
        except BusDown as error:
            log.warning("an earlier session of node %s elsewhere, if any, is not told: %s", session.node, error)

    async def detach(self, session: Session) -> None:
        if self._here.get(session.node) is session:
            del self._here[session.node]
        handler = self._handlers.pop(session.id, None)
        if handler is not None:
            await self._bus.unsubscribe(_channel(session.node), handler)

    async def arrival(self, node: str) -> None:
        """Return once the node has a session here."""
        while node not in self._here:
            await self._attached.wait()

    def ask(self, node: str, request: OpenStream) -> bool:
        """Have the node's agent dial in for a stream, if its session is here."""
        session = self._here.get(node)
        if session is None:
            return False
        session.open_stream(request)
        return True

    async def ask_elsewhere(self, node: str, request: OpenStream) -> int:
        """The number of processes that have a session of the node. Raises `BusDown`."""
        return await self._bus.publish(_channel(node), _encode(_Message(op="open", stream=request)))

    @staticmethod
    def _heard(session: Session, data: bytes) -> None:
        try:
            message = _Message.model_validate_json(data)
        except ValidationError:
            log.warning("a message for node %s from another version of the control plane was dropped", session.node)
            return
        if message.op == "open" and message.stream is not None:
            session.open_stream(message.stream)
        elif message.op == "replaced" and message.session != session.id:
            session.supersede()
        elif message.op == "rotate":
            session.rotate()
        elif message.op == "check":
            session.check_credential()


def tell(node: str, op: Literal["rotate", "check"]) -> bool:
    """Say it to whoever holds the node's session, from any process and thread. Whether anybody does, as far as Redis
    knows; without Redis nobody hears it."""
    import redis

    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return int(cast(int, client.publish(bus.key(_channel(node)), _encode(_Message(op=op))))) > 0
    except (redis.RedisError, OSError) as error:
        log.warning("the session of node %s is not told: %s", node, error)
        return False


def _channel(node: str) -> str:
    return f"node:{node}"


def _encode(message: _Message) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()
