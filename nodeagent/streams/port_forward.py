"""port-forward: one TCP connection to a port inside a pod's network namespace."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
import threading
from pathlib import Path

from websockets.asyncio.client import ClientConnection

from nodeagent import kernel
from nodeagent.errors import NotRunning
from nodeagent.pods.record import Record

CONNECT_SECONDS = 10.0
PIECE_BYTES = 32 * 1024
CLONE_NEWNET = 0x40000000

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(record: Record, port: int) -> Connection:
    """Raises `NotRunning` where nothing listens."""
    sandbox = record.sandbox
    if sandbox is None and not record.pod.spec.host_network:
        raise NotRunning(f"pod {record.name} has no network yet")
    namespace = sandbox.network if sandbox is not None else None
    endpoint = await asyncio.to_thread(socket_in, namespace)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(endpoint, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=endpoint)
    except (OSError, TimeoutError) as error:
        endpoint.close()
        raise NotRunning(f"nothing answers at port {port} of pod {record.name}: {error}") from None


def socket_in(namespace: Path | None, family: sockets.AddressFamily = sockets.AF_INET) -> sockets.socket:
    """A socket belongs to the network namespace it was made in. Made by a thread of its own, which then ends: one of the
    pool would stay in the pod's namespace."""
    made: list[sockets.socket | OSError] = []

    def make() -> None:
        try:
            if namespace is not None:
                descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    kernel.setns(descriptor, CLONE_NEWNET)
                finally:
                    os.close(descriptor)
            made.append(sockets.socket(family, sockets.SOCK_STREAM))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="socket in a namespace")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    made[0].setblocking(False)
    return made[0]


async def pump(connection: Connection, socket: ClientConnection) -> None:
    """Both directions until either side closes."""
    reader, writer = connection

    async def outward() -> None:
        while piece := await reader.read(PIECE_BYTES):
            await socket.send(piece)

    async def inward() -> None:
        async for frame in socket:
            writer.write(frame.encode() if isinstance(frame, str) else frame)
            await writer.drain()

    tasks = [asyncio.create_task(outward(), name="forward out"), asyncio.create_task(inward(), name="forward in")]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
