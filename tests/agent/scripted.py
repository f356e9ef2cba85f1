"""A control plane that says what the test tells it to, over real WebSockets on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from schema.base import Model, Wire
from schema.session import Acknowledge, Heartbeat, Hello, OpenStream, Report, Sync, Update, Welcome, from_agent
from tests.agent.patience import patience

TOKEN = "the-node's-token"


class ControlPlane:
    """``reports`` holds all that came, resent ones too. Set ``acknowledges`` to False to have them said again."""

    def __init__(self) -> None:
        self.hellos: list[Hello] = []
        self.reports: list[Report] = []
        self.heartbeats = 0
        self.node_status: Wire = {}
        """What changed in it since the Hello."""
        self.refusals = 0
        self.acknowledges = True
        self.pods: list[Wire] = []
        self.config_maps: list[Wire] = []
        self.refuses = 0
        """Answer this many attempts with 503."""
        self.streams: dict[str, asyncio.Queue[ServerConnection]] = {}
        self._sessions: list[ServerConnection] = []
        self._server: Server | None = None
        self.port = 0
        self.pod_cidr = "10.244.7.0/24"
        self.cluster_cidr = "10.244.0.0/16"

    async def __aenter__(self) -> ControlPlane:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self.port, process_request=self._admit)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refusals += 1
            return Response(401, "Unauthorized", Headers(), b"")
        if self.refuses:
            self.refuses -= 1
            return Response(503, "Service Unavailable", Headers(), b"")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        path = socket.request.path if socket.request is not None else ""
        if path.startswith("/agent/v1/streams/"):
            await self.streams[path.rpartition("/")[2]].put(socket)
            await socket.wait_closed()
            return
        hello = from_agent(await socket.recv())
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        self._sessions.append(socket)
        welcome = Welcome(
            node_uid="n", pod_cidrs=[self.pod_cidr], cluster_cidrs=[self.cluster_cidr], heartbeat_seconds=0.05
        )
        await self._say(socket, welcome)
        await self._say(socket, Sync(revision=1, pods=self.pods, config_maps=self.config_maps, secrets=[]))
        async for frame in socket:
            await self._hear(socket, frame)

    async def _hear(self, socket: ServerConnection, frame: str | bytes) -> None:
        message = from_agent(frame)
        if isinstance(message, Report):
            self.reports.append(message)
            if self.acknowledges:
                await self._say(socket, Acknowledge(sequence=message.sequence))
        elif isinstance(message, Heartbeat):
            self.heartbeats += 1
            self.node_status |= message.node_status or {}

    async def _say(self, socket: ServerConnection, message: Model) -> None:
        await socket.send(message.model_dump_json(by_alias=True, exclude_none=True))

    async def update(self, **changes: Any) -> None:
        await self._say(self._sessions[-1], Update(revision=2, **changes))

    async def open_stream(self, request: OpenStream) -> ServerConnection:
        """The agent's stream, as it dials in."""
        queue = self.streams[request.stream_id] = asyncio.Queue()
        await self._say(self._sessions[-1], request)
        async with asyncio.timeout(patience(60)):
            return await queue.get()

    def cut(self) -> None:
        """The session's connection breaks without a word."""
        self._sessions[-1].transport.abort()

    def statuses(self, uid: str) -> list[Wire]:
        return [pod.status for report in self.reports for pod in report.pods if pod.uid == uid]

    def is_gone(self, uid: str) -> bool:
        return any(pod.gone for report in self.reports for pod in report.pods if pod.uid == uid)

    async def until(self, what: Callable[[], Any], *, seconds: float = 60.0) -> None:
        deadline = asyncio.get_running_loop().time() + patience(seconds)
        while not what():
            assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
            await asyncio.sleep(0.005)

    async def until_phase(self, uid: str, phase: str) -> None:
        await self.until(lambda: (found := self.statuses(uid)) and found[-1]["phase"] == phase)


async def payloads(socket: ServerConnection) -> list[bytes]:
    """Every binary frame until the other side ends the stream."""
    return [frame async for frame in socket if isinstance(frame, bytes)]
