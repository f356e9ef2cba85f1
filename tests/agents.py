"""A scripted agent: speaks schema.session over a real WebSocket, and does with pods and streams what a test tells it.

    async with agents.connect(url, token=token, node="n1", streams=serve) as agent:
        pod = await agent.pod("default", "web")
        await agent.report(agents.running(pod))

``streams`` is called with each `OpenStream` and the WebSocket dialled for it; it begins with ``opened`` or ``refused``.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from schema.base import Wire
from schema.session import (
    Acknowledge,
    EventReport,
    Heartbeat,
    Hello,
    OpenStream,
    PodStatusReport,
    Report,
    StreamOpened,
    Sync,
    Update,
    Welcome,
    from_control_plane,
)

Serve = Callable[[OpenStream, ClientConnection], Awaitable[None]]
DEADLINE_SECONDS = 60.0


def node(name: str, **status: Any) -> Wire:
    """A Node as an agent introduces it."""
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "AgentReady", "message": "ready"}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": capacity, "allocatable": capacity, "conditions": [ready], **status},
    }


def running(pod: Wire) -> PodStatusReport:
    containers = [
        {"name": container["name"], "ready": True, "restartCount": 0, "image": container.get("image", ""), "imageID": "",
         "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        for container in pod["spec"]["containers"]
    ]  # fmt: skip
    return status(pod, {"phase": "Running", "podIP": "10.244.0.2", "containerStatuses": containers})


def status(pod: Wire, wire: Wire, *, gone: bool = False) -> PodStatusReport:
    metadata = pod["metadata"]
    return PodStatusReport(
        uid=metadata["uid"], namespace=metadata["namespace"], name=metadata["name"], status=wire, gone=gone
    )


def event(pod: Wire, reason: str, message: str = "so it was") -> EventReport:
    metadata = pod["metadata"]
    return EventReport(
        pod_uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        reason=reason,
        message=message,
        at=datetime.now(UTC),
    )


async def opened(websocket: ClientConnection) -> None:
    await websocket.send(StreamOpened().model_dump_json(by_alias=True, exclude_none=True))


async def refused(websocket: ClientConnection, code: int, message: str, reason: str = "BadRequest") -> None:
    failure = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "message": message,
        "reason": reason,
    }
    await websocket.send(StreamOpened(failure=failure).model_dump_json(by_alias=True, exclude_none=True))
    await websocket.close()


class ScriptedAgent:
    """What was received is kept: ``pods``, ``config_maps`` and ``secrets`` as they should be now, ``updates`` as sent."""

    def __init__(self, websocket: ClientConnection, dial: Callable[[str], Any], streams: Serve | None) -> None:
        self.websocket = websocket
        self.welcome: Welcome | None = None
        self.sync: Sync | None = None
        self.updates: list[Update] = []
        self.pods: dict[str, Wire] = {}
        self.config_maps: dict[tuple[str, str], Wire] = {}
        self.secrets: dict[tuple[str, str], Wire] = {}
        self.cluster: dict[tuple[str, str, str], Wire] = {}
        self.acknowledged = 0
        self.sequence = 0
        self.asked: list[OpenStream] = []
        self._dial = dial
        self._streams = streams
        self._news = asyncio.Condition()
        self._serving: set[asyncio.Task[None]] = set()

    async def until(self, condition: Callable[[], Any], *, seconds: float = DEADLINE_SECONDS) -> Any:
        """Wait for the condition to hold after some message; its value."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(condition)
            return condition()

    async def pod(self, namespace: str, name: str) -> Wire:
        def find() -> Wire | None:
            keys = ((pod, pod["metadata"]) for pod in self.pods.values())
            return next((pod for pod, meta in keys if (meta["namespace"], meta["name"]) == (namespace, name)), None)

        found: Wire = await self.until(find)
        return found

    async def report(self, *pods: PodStatusReport, events: list[EventReport] | None = None, wait: bool = True) -> int:
        self.sequence += 1
        sequence = self.sequence
        await self.send(Report(sequence=sequence, pods=list(pods), events=events or []))
        if wait:
            await self.until(lambda: self.acknowledged >= sequence)
        return sequence

    async def heartbeat(self, node_status: Wire | None = None) -> None:
        await self.send(Heartbeat(node_status=node_status))

    async def send(self, message: Any) -> None:
        await self.websocket.send(message.model_dump_json(by_alias=True, exclude_none=True))

    async def read(self) -> None:
        async for frame in self.websocket:
            message = from_control_plane(frame)
            async with self._news:
                self._take(message)
                self._news.notify_all()

    async def close(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _take(self, message: Any) -> None:
        match message:
            case Welcome():
                self.welcome = message
            case Sync():
                self.sync = message
                self.pods = {pod["metadata"]["uid"]: pod for pod in message.pods}
                self.config_maps = {_key(wire): wire for wire in message.config_maps}
                self.secrets = {_key(wire): wire for wire in message.secrets}
                self.cluster = {(wire["kind"], *_key(wire)): wire for wire in message.cluster}
            case Update():
                self._update(message)
            case Acknowledge():
                self.acknowledged = message.sequence
            case OpenStream():
                self.asked.append(message)
                if self._streams is not None:
                    task = asyncio.create_task(self._serve(message))
                    self._serving.add(task)
                    task.add_done_callback(self._serving.discard)

    def _update(self, update: Update) -> None:
        self.updates.append(update)
        self.pods.update({pod["metadata"]["uid"]: pod for pod in update.pods})
        self.config_maps.update({_key(wire): wire for wire in update.config_maps})
        self.secrets.update({_key(wire): wire for wire in update.secrets})
        self.cluster.update({(wire["kind"], *_key(wire)): wire for wire in update.cluster})
        for gone in update.removed_cluster:
            self.cluster.pop((gone.kind, gone.namespace, gone.name), None)
        for uid in update.removed_pods:
            self.pods.pop(uid, None)
        for key in update.removed_config_maps:
            self.config_maps.pop((key.namespace, key.name), None)
        for key in update.removed_secrets:
            self.secrets.pop((key.namespace, key.name), None)

    async def _serve(self, request: OpenStream) -> None:
        assert self._streams is not None
        async with self._dial(f"/agent/v1/streams/{request.stream_id}") as websocket:
            await self._streams(request, websocket)


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str,
    node: str,
    wire: Wire | None = None,
    streams: Serve | None = None,
    stream_url: str = "",
    agent_run: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[ScriptedAgent]:
    """A session that has said Hello and received Welcome and Sync. ``url`` is ``ws://host:port``; ``stream_url`` another
    server for the streams."""

    def dial(path: str, base: str = "") -> Any:
        return websockets.connect(
            (base or stream_url or url) + path,
            additional_headers={"Authorization": f"Bearer {token}"},
            max_size=None,
            compression=None,
            ping_interval=None,
            ssl=ssl_context,
        )

    async with dial("/agent/v1/session", url) as websocket:
        agent = ScriptedAgent(websocket, dial, streams)
        hello = Hello(
            agent_version="test",
            agent_run=uuid.uuid4().hex if agent_run is None else agent_run,
            boot_id="boot",
            node=wire or globals()["node"](node),
        )
        await agent.send(hello)
        reading = asyncio.create_task(agent.read())
        try:
            synced = asyncio.create_task(agent.until(lambda: agent.sync is not None))
            await asyncio.wait({synced, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not synced.done():
                synced.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                raise ConnectionError(f"the session was closed: {websocket.close_code} {websocket.close_reason}")
            synced.result()
            yield agent
        finally:
            await agent.close()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _key(wire: Wire) -> tuple[str, str]:
    return wire["metadata"].get("namespace", ""), wire["metadata"]["name"]
