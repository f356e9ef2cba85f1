"""One TCP connection into a pod's network namespace, pumped to and from a WebSocket."""

from __future__ import annotations

import asyncio
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from nodeagent import kernel
from nodeagent.streams.errors import StreamRefused
from nodeagent.tasks import race

PIECE_BYTES = 32 * 1024
CONNECT_SECONDS = 10.0


async def dial(network: Path | None, port: int) -> socket.socket:
    """Connected to ``port`` on the pod's loopback; None: the host's network. Raises `StreamRefused`."""
    loop = asyncio.get_running_loop()
    # A thread of its own, which ends with its namespace: no pool thread must be left in a pod's network.
    with ThreadPoolExecutor(1, thread_name_prefix="netns") as thread:
        end = await loop.run_in_executor(thread, _socket_in, network)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.sock_connect(end, ("127.0.0.1", port))
    except (OSError, TimeoutError) as error:
        end.close()
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no answer in time"
        raise StreamRefused(500, f"failed to connect to port {port} inside the pod: {why}") from error
    return end


def _socket_in(network: Path | None) -> socket.socket:
    """A socket belongs for ever to the namespace of the thread that made it."""
    if network is not None:
        descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
        try:
            kernel.setns(descriptor, kernel.CLONE_NEWNET)
        finally:
            os.close(descriptor)
    end = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    end.setblocking(False)
    return end


async def serve(connection: ClientConnection, end: socket.socket) -> None:
    """Until the pod's side has said all it had, or the client has gone."""
    try:
        await race("port-forward", _from_client(connection, end), _from_pod(connection, end))
    finally:
        end.close()


async def _from_client(connection: ClientConnection, end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async for frame in connection:
        await loop.sock_sendall(end, frame.encode() if isinstance(frame, str) else frame)


async def _from_pod(connection: ClientConnection, end: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(end, PIECE_BYTES):
        await connection.send(piece)
