"""The agent's end of the session (`schema.session`): dials, says Hello, hands down what is desired, sends up what is.

It reconnects for ever, quickly at first and with some spread, so that a control plane which returns is found at once and
not by all nodes in the same instant.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import ssl
from collections.abc import Callable
from typing import Protocol

from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from nodeagent import node_status
from nodeagent.credential import Credential
from nodeagent.node_status import NodeStatus
from nodeagent.outbox import Outbox
from nodeagent.settings import Settings
from schema.base import Model, Wire
from schema.session import (
    Acknowledge,
    Heartbeat,
    Hello,
    Images,
    Metrics,
    OpenStream,
    RotateCredential,
    Sync,
    Unknown,
    Update,
    Welcome,
    from_control_plane,
)

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS = 0.05
LONGEST_DELAY_SECONDS = 5.0
HOPEFUL_SECONDS, HOPEFUL_DELAY_SECONDS = 20.0, 0.3
"""A port where nobody listens belongs to a control plane that starts, mostly: for so long it is tried this often."""
PATIENCE_SECONDS = 1.0
"""Where nobody listens the control plane is mostly about to: after a delay as long as this it is worth a word."""
REFUSED_DELAY_SECONDS = 60.0
"""A credential that is refused is tried this seldom in the end: only another one helps, and that is noticed at once."""
LOOK_SECONDS = 0.5
OPEN_SECONDS = 10.0
STREAMS = "/agent/v1/streams/"
HOPELESS = frozenset({4401, 4403, 4409, 4426})
"""Close codes after which hurry is of no use: wrong token or node, another agent of this name, another protocol."""
GOING_AWAY = 1001
MAX_FRAME_BYTES = 256 * 1024 * 1024


class Listener(Protocol):
    """Who acts on what comes down. None of it waits."""

    def welcomed(self, welcome: Welcome) -> None: ...

    def synced(self, sync: Sync) -> None: ...

    def updated(self, update: Update) -> None: ...

    def stream_requested(self, request: OpenStream) -> None: ...

    async def measure(self) -> Metrics | None:
        """What was used since the last time; None where that cannot be said yet. This one takes milliseconds."""

    def rotation_requested(self) -> None: ...


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    if not settings.server.startswith("https:"):
        return None
    return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)


def websocket_address(settings: Settings, path: str) -> str:
    scheme, _, rest = settings.server.rstrip("/").partition("://")
    return f"{'wss' if scheme == 'https' else 'ws'}://{rest}{path}"


class Dialler:
    """Opens WebSockets to the control plane with the node's credential."""

    def __init__(self, settings: Settings, credential: Credential | None = None) -> None:
        self._settings = settings
        self._context = tls_context(settings)
        self._credential = credential or Credential(settings.credential_file, settings.token)

    @property
    def token(self) -> str:
        return self._credential.token

    def dial(self, path: str) -> connect:
        return connect(
            websocket_address(self._settings, path),
            ssl=self._context,
            additional_headers={"Authorization": f"Bearer {self._credential.token}"},
            user_agent_header=f"slipway-nodeagent/{node_status.AGENT_VERSION}",
            compression=None,
            open_timeout=OPEN_SECONDS,
            ping_interval=10,
            # A stream whose client does not read is not read by the control plane either, pings included: a missing pong
            # is no death. The session is read all the time.
            ping_timeout=None if path.startswith(STREAMS) else 20,
            close_timeout=2,
            max_size=MAX_FRAME_BYTES,
            proxy=None,
        )


class Session:
    def __init__(
        self,
        dialler: Dialler,
        status: NodeStatus,
        outbox: Outbox,
        listener: Listener,
        *,
        tell_images: Callable[[], Callable[[], Images | None]] | None = None,
    ) -> None:
        self._dialler = dialler
        self._tell_images = tell_images
        self._status = status
        self._outbox = outbox
        self._listener = listener
        self._run_id = secrets.token_hex(8)
        self._told: Wire | None = None
        self._said = ""
        self.connected = asyncio.Event()
        self._again = asyncio.Event()

    async def run(self) -> None:
        """For ever."""
        clock = asyncio.get_running_loop().time
        delay, failing_since = 0.0, clock()
        while True:
            longest = LONGEST_DELAY_SECONDS
            try:
                await self._converse()
                delay, failing_since = 0.0, clock()
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, ValidationError) as error:
                if self.connected.is_set():
                    delay, failing_since = 0.0, clock()
                if isinstance(error, ConnectionRefusedError) and clock() < failing_since + HOPEFUL_SECONDS:
                    longest = HOPEFUL_DELAY_SECONDS
                if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in HOPELESS:
                    delay = LONGEST_DELAY_SECONDS
                if is_refusal(error):
                    longest = REFUSED_DELAY_SECONDS
                if delay >= PATIENCE_SECONDS or not isinstance(error, ConnectionRefusedError):
                    self._complain(explain(error))
            finally:
                self.connected.clear()
            delay = min(max(delay * 2, FIRST_DELAY_SECONDS), longest)
            await self._rest(delay * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, hides nothing

    def reconnect(self) -> None:
        """Begin a new session now: with the credential that is in the file by now."""
        self._again.set()

    async def _rest(self, seconds: float) -> None:
        """A credential that comes meanwhile ends it."""
        clock = asyncio.get_running_loop().time
        token, until = self._dialler.token, clock() + seconds
        while (left := until - clock()) > 0 and self._dialler.token == token:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(min(left, LOOK_SECONDS))

    def _complain(self, why: str) -> None:
        """Once for each reason: an hour without control plane is not a thousand lines."""
        if why != self._said:
            log.warning("session: %s", why)
            self._said = why

    async def _converse(self) -> None:
        async with self._dialler.dial("/agent/v1/session") as socket:
            node = await asyncio.to_thread(self._status.node)
            self._told = {key: node["status"][key] for key in node_status.CHANGING if key in node["status"]}
            hello = Hello(
                agent_version=node_status.AGENT_VERSION,
                agent_run=self._run_id,
                boot_id=node_status.boot_id(),
                node=node,
            )
            await self._send(socket, hello)
            async with asyncio.timeout(OPEN_SECONDS):
                first = from_control_plane(await socket.recv())
            if not isinstance(first, Welcome):
                raise ConnectionError(f"the control plane began with {first.type}, not with a welcome")
            self.connected.set()
            self._said = ""
            log.info("connected to the control plane")
            self._listener.welcomed(first)
            self._again.clear()
            tasks = [
                asyncio.create_task(self._again.wait(), name="session again"),
                asyncio.create_task(self._receive(socket), name="session receive"),
                asyncio.create_task(self._send_reports(socket), name="session reports"),
                asyncio.create_task(self._beat(socket, first.heartbeat_seconds), name="session heartbeat"),
            ]
            if first.metrics_seconds > 0:
                measuring = self._measure(socket, first.metrics_seconds)
                tasks.append(asyncio.create_task(measuring, name="session metrics"))
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                await socket.close(GOING_AWAY, "the agent begins a new session")
            except asyncio.CancelledError:
                await socket.close(GOING_AWAY, "the agent stops")
                raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, socket: ClientConnection, message: Model) -> None:
        await socket.send(message.model_dump_json(by_alias=True, exclude_none=True))

    async def _receive(self, socket: ClientConnection) -> None:
        while True:
            message = from_control_plane(await socket.recv())
            match message:
                case Sync():
                    self._listener.synced(message)
                case Update():
                    self._listener.updated(message)
                case OpenStream():
                    self._listener.stream_requested(message)
                case RotateCredential():
                    self._listener.rotation_requested()
                case Acknowledge(sequence=sequence):
                    self._outbox.acknowledge(sequence)
                case Welcome():
                    raise ConnectionError("the control plane welcomed us twice")
                case Unknown(type=name):
                    log.debug("the control plane says %r, which this release does not know", name)

    async def _send_reports(self, socket: ClientConnection) -> None:
        for report in self._outbox.unacknowledged():
            await self._send(socket, report)
        while True:
            await self._send(socket, await self._outbox.next())

    async def _beat(self, socket: ClientConnection, seconds: float) -> None:
        images = self._tell_images() if self._tell_images is not None else lambda: None
        while True:
            if (told := await asyncio.to_thread(images)) is not None:
                await self._send(socket, told)
            await asyncio.sleep(seconds)
            news = await asyncio.to_thread(self._status.changing)
            is_news = news != self._told
            self._told = news
            await self._send(socket, Heartbeat(node_status=news if is_news else None))

    async def _measure(self, socket: ClientConnection, seconds: float) -> None:
        """All nodes in step would be a burst: each begins somewhere within the interval, which is soon, too."""
        await self._listener.measure()
        await asyncio.sleep(random.uniform(0.1, 0.5) * seconds)  # noqa: S311 - spreads load, hides nothing
        while True:
            metrics = await self._listener.measure()
            if metrics is not None:
                await self._send(socket, metrics)
            await asyncio.sleep(seconds)


REMOVED = (
    "its containers go on. To bring it back: `nodeagent join --again` with a new join token; to take everything away from "
    "this host: `nodeagent remove --forget`"
)


def is_refusal(error: BaseException) -> bool:
    """Whether it is the credential that was refused."""
    if isinstance(error, InvalidStatus):
        return error.response.status_code in (401, 403)
    return isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code in (4401, 4410)


def explain(error: BaseException) -> str:
    if isinstance(error, InvalidStatus):
        code = error.response.status_code
        if is_refusal(error):
            return (
                f"the control plane refuses this node's credential (HTTP {code}): it was revoked, it expired, or the node was "
                f"removed from the cluster; {REMOVED}"
            )
        return f"the control plane answered with HTTP {code}; it is tried until it works"
    if isinstance(error, ConnectionClosed) and error.rcvd is not None and is_refusal(error):
        return f"the control plane has ended this node's session: {error.rcvd.reason}; {REMOVED}"
    return f"{type(error).__name__}: {error}; it is tried until it works"
