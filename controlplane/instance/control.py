"""How a command speaks to the running supervisor: one JSON line each way on a unix socket that only root may open.

``{"do": "reload"}`` starts what should run and stops what should not, as the lab's state says now.
``{"do": "kill", "name": "agent@node-2"}`` sends SIGKILL and answers when the process is gone.
``{"do": "list"}`` gives ``{"processes": {name: pid}}``.
An answer has ``error`` where something was wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from controlplane.instance.layout import Layout

SECONDS = 30.0

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NotRunning(Exception):
    """No supervisor of this home listens."""


class Refused(Exception):
    """The supervisor's own words."""


def ask(layout: Layout, do: str, **fields: Any) -> dict[str, Any]:
    """Raises `NotRunning` and `Refused`."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SECONDS)
        try:
            connection.connect(str(layout.control_socket))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NotRunning(f"no instance with the home {layout.home} runs: `make up` starts it") from None
        connection.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
        with connection.makefile("r") as stream:
            answer: dict[str, Any] = json.loads(stream.readline() or "{}")
    if "error" in answer:
        raise Refused(str(answer["error"]))
    return answer


def is_running(layout: Layout) -> bool:
    try:
        ask(layout, "list")
    except NotRunning:
        return False
    return True


@contextlib.asynccontextmanager
async def listening(layout: Layout, answer: Answer) -> AsyncIterator[None]:
    """The lock on `Layout.pid_file` says that we are the only one: whatever socket is there is nobody's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            said = await answer(json.loads(await reader.readline()))
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = layout.control_socket
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(serve, path=str(path))
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
