"""The agent's end of the session (`schema.session`): dials, says who it is, and keeps the conversation going for ever.

A lost connection is dialled again, at first within 50 ms; pods are not touched by it. Reports that were not acknowledged are
said again first. Whatever the control plane sends is handed to `Listener` in its order.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from nodeagent.reporting import Reporter
from schema.base import Model, Wire
from schema.session import (
    Acknowledge,
    Heartbeat,
    Hello,
    OpenStream,
    Sync,
    Update,
    Welcome,
    from_control_plane,
)

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.05
LAST_DELAY_SECONDS = 5.0
OPEN_SECONDS = 10.0
WELCOME_SECONDS = 30.0
MAX_FRAME_BYTES = 256 * 1024 * 1024
"""A Sync holds every pod of the node with its ConfigMaps and Secrets (1 MiB each)."""


class Listener(Protocol):
    async def welcome(self, message: Welcome) -> None: ...

    def sync(self, message: Sync) -> None: ...

    def update(self, message: Update) -> None: ...

    def open_stream(self, message: OpenStream) -> None: ...


class NodeSource(Protocol):
    """Where the node's own status comes from."""

    changed: asyncio.Event

    async def node(self) -> Wire:
        """The whole Node object."""

    async def changes(self) -> Wire | None:
        """The fields of the status that differ from those last given, or None."""


def tls(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


class Dialler:
    """Opens WebSockets to the control plane: one way for the session and for every stream."""

    def __init__(self, server: str, token: str, ca_file: Path | None) -> None:
        self._base = server.rstrip("/").replace("https://", "wss://", 1).replace("http://", "ws://", 1)
        self._token = token
        self._tls = tls(ca_file) if self._base.startswith("wss://") else None

    async def dial(self, path: str, *, max_size: int = MAX_FRAME_BYTES) -> ClientConnection:
        return await connect(
            self._base + path,
            ssl=self._tls,
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,  # the other end is near, and processors are dearer than bytes
            proxy=None,
            max_size=max_size,
            open_timeout=OPEN_SECONDS,
            close_timeout=2.0,
            ping_interval=10.0,
            ping_timeout=20.0,
        )


class Session:
    def __init__(
        self,
        dial: Callable[[str], Awaitable[ClientConnection]],
        *,
        hello: Callable[[Wire], Hello],
        source: NodeSource,
        reporter: Reporter,
        listener: Listener,
    ) -> None:
        self._dial = dial
        self._hello = hello
        self._source = source
        self._reporter = reporter
        self._listener = listener
        self._delay = FIRST_DELAY_SECONDS
        self._said = ""
        self.connected = asyncio.Event()

    async def run(self) -> None:
        while True:
            try:
                await self._once()
            except (OSError, TimeoutError, ConnectionClosed, InvalidHandshake, InvalidURI, ValidationError) as error:
                self._complain(error)
            finally:
                self.connected.clear()
            await asyncio.sleep(self._delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            self._delay = min(self._delay * 2, LAST_DELAY_SECONDS)

    def _complain(self, error: Exception) -> None:
        """Once per reason: an hour without control plane is not a thousand lines."""
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, InvalidStatus):
            text = f"the control plane answered {error.response.status_code}"
            if error.response.status_code == 401:
                text += ": it does not accept this node's token"
        if text != self._said:
            log.warning("session: %s; dialling again until it works", text)
            self._said = text

    async def _once(self) -> None:
        connection = await self._dial("/agent/v1/session")
        try:
            await self._send(connection, self._hello(await self._source.node()))
            async with asyncio.timeout(WELCOME_SECONDS):
                welcome = from_control_plane.validate_json(await connection.recv())
            if not isinstance(welcome, Welcome):
                raise OSError(f"expected a welcome, got {welcome.type}")
            await self._listener.welcome(welcome)
            self._delay, self._said = FIRST_DELAY_SECONDS, ""
            log.info("session: connected")
            self.connected.set()
            await self._converse(connection, welcome)
        finally:
            await connection.close()

    async def _converse(self, connection: ClientConnection, welcome: Welcome) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._receive(connection), name="session receiver")
                group.create_task(self._report(connection), name="session reporter")
                group.create_task(self._beat(connection, welcome.heartbeat_seconds), name="session heartbeat")
        except* (ConnectionClosed, OSError, ValidationError) as group_error:
            raise group_error.exceptions[0] from None

    async def _receive(self, connection: ClientConnection) -> None:
        while True:
            message = from_control_plane.validate_json(await connection.recv())
            match message:
                case Sync():
                    self._listener.sync(message)
                case Update():
                    self._listener.update(message)
                case Acknowledge():
                    self._reporter.acknowledge(message.sequence)
                case OpenStream():
                    self._listener.open_stream(message)
                case Welcome():
                    await self._listener.welcome(message)

    async def _report(self, connection: ClientConnection) -> None:
        for report in self._reporter.unacknowledged:
            await self._send(connection, report)
        while True:
            await self._send(connection, await self._reporter.next())

    async def _beat(self, connection: ClientConnection, seconds: float) -> None:
        while True:
            try:
                async with asyncio.timeout(seconds):
                    await self._source.changed.wait()
            except TimeoutError:
                pass
            self._source.changed.clear()
            await self._send(connection, Heartbeat(node_status=await self._source.changes()))

    async def _send(self, connection: ClientConnection, message: Model) -> None:
        await connection.send(message.model_dump_json(by_alias=True, exclude_none=True))
