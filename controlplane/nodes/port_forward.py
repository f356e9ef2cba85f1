"""Port-forward as the Python clients speak it: channels 2i (data) and 2i+1 (error) for the i-th port of ``ports``.

Each port is one TCP connection, dialled at once. kubectl's own way, SPDY inside a WebSocket, has its place here too: it
is told apart by its subprotocol.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from controlplane.access.identity import Identity
from controlplane.nodes import hub, query, target, tasks
from controlplane.nodes.channels import V4
from controlplane.nodes.consumer import StreamConsumer
from controlplane.nodes.errors import Close, Disconnected, Refused, StreamClosed
from controlplane.nodes.pipe import End
from controlplane.nodes.query import Query
from controlplane.nodes.target import Target
from controlplane.nodes.websocket import Socket
from controlplane.store import pool
from schema.session import OpenStream, StreamKind

SPDY = "SPDY/3.1+portforward.k8s.io"
MAX_PORTS = 32


class PortForwardConsumer(StreamConsumer):
    repeated_as_post = True

    async def serve(self, socket: Socket, identity: Identity) -> None:
        if SPDY in socket.subprotocols and V4 not in socket.subprotocols:
            raise Refused(501, "port-forward with kubectl is not there yet; the Python clients' protocol is")
        asked = query.ports(Query(self.query_string(socket)))
        if len(asked) > MAX_PORTS:
            raise Refused(400, f"at most {MAX_PORTS} ports in one request")
        namespace, pod = socket.arguments["namespace"], socket.arguments["pod"]
        found = await pool.run(find, identity, namespace, pod)
        ends = await _open_all(found, asked)
        try:
            # kr8s offers no subprotocol and speaks the same.
            await socket.accept(V4 if V4 in socket.subprotocols else None)
            await _forward(socket, asked, ends)
            await socket.close(1000)
        finally:
            _close_all(ends)


def find(identity: Identity, namespace: str, pod: str) -> Target:
    """Raises `Refused`. Runs queries."""
    return target.find(identity, namespace, pod, verb="create", subresource="portforward", container=None)


async def _open_all(found: Target, ports: list[int]) -> list[End]:
    ends: list[End] = []
    try:
        for port in ports:
            request = OpenStream(
                stream_id="",
                kind=StreamKind.PORT_FORWARD,
                namespace=found.namespace,
                pod=found.pod,
                pod_uid=found.uid,
                port=port,
            )
            ends.append(await hub.current().streams.open_stream(found.node, request))
    except (Refused, asyncio.CancelledError):
        _close_all(ends)
        raise
    return ends


def _close_all(ends: list[End]) -> None:
    for end in ends:
        end.close(Close(1001, "the client went away"))


async def _forward(socket: Socket, ports: list[int], ends: list[End]) -> None:
    """Until all ports have ended, or the client has gone."""
    for index, port in enumerate(ports):
        opening = struct.pack("<H", port)
        await socket.send(bytes([2 * index]) + opening)
        await socket.send(bytes([2 * index + 1]) + opening)
    upward = asyncio.create_task(_up(socket, ends), name="port-forward up")
    downward = [asyncio.create_task(_down(socket, index, end)) for index, end in enumerate(ends)]
    everything: asyncio.Future[list[BaseException | None]] = asyncio.gather(*downward, return_exceptions=True)
    waiting: list[asyncio.Future[Any]] = [upward, everything]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.cancel(upward, *downward)


async def _down(socket: Socket, index: int, end: End) -> None:
    try:
        while True:
            frame = await end.receive()
            if isinstance(frame, bytes) and frame:
                await socket.send(bytes([2 * index]) + frame)
    except StreamClosed as closed:
        if closed.close.code != 1000:
            reason = closed.close.reason or "the connection was lost"
            await socket.send(bytes([2 * index + 1]) + reason.encode())


async def _up(socket: Socket, ends: list[End]) -> None:
    """One slow port holds up the others of the same WebSocket: the clients open one for each connection."""
    while True:
        try:
            frame = await socket.receive()
        except Disconnected:
            return
        data = frame.encode() if isinstance(frame, str) else frame
        if len(data) < 2 or data[0] % 2 or data[0] // 2 >= len(ends):
            continue
        try:
            await ends[data[0] // 2].send(data[1:])
        except StreamClosed:
            continue
