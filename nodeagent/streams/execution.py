"""exec and attach: a process's streams as frames of ``v5.channel.k8s.io``."""

from __future__ import annotations

import asyncio
import contextlib
import json

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from nodeagent.errors import AgentError
from nodeagent.facilities import ExecSession, Runtime
from schema.base import Wire
from schema.session import ExecOptions

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


def exit_status(code: int) -> Wire:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> Wire:
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}


async def run(runtime: Runtime, container_id: str, socket: ClientConnection, options: ExecOptions) -> None:
    try:
        session = await runtime.exec(container_id, options.command, tty=options.tty, stdin=options.stdin)
    except AgentError as error:
        await socket.send(_status(failure_status(str(error))))
        return
    await pump(session, socket, options)


async def pump(session: ExecSession, socket: ClientConnection, options: ExecOptions) -> None:
    """Both directions until the process has ended and all of its output is sent, or the client has gone."""
    incoming = asyncio.create_task(_take(session, socket), name="stream input")
    outgoing = asyncio.create_task(_give(session, socket, options), name="stream output")
    try:
        # The client's going ends everything; its silence does not.
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        if outgoing.done():
            outgoing.result()
    finally:
        for task in (incoming, outgoing):
            task.cancel()
        await asyncio.gather(incoming, outgoing, return_exceptions=True)
        await session.close()


async def _give(session: ExecSession, socket: ClientConnection, options: ExecOptions) -> None:
    wanted = {STDOUT: options.stdout, STDERR: options.stderr}
    while (piece := await session.read()) is not None:
        channel, data = piece
        if wanted[channel]:
            await socket.send(bytes([channel]) + data)
    await socket.send(_status(exit_status(await session.wait())))


async def _take(session: ExecSession, socket: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for frame in socket:
            data = frame.encode() if isinstance(frame, str) else frame
            if data:
                await _handle(session, data[0], data[1:])


async def _handle(session: ExecSession, channel: int, payload: bytes) -> None:
    if channel == STDIN:
        # A process that has closed its standard input, or ended, does not want the rest.
        with contextlib.suppress(OSError):
            await session.write(payload)
    elif channel == RESIZE:
        with contextlib.suppress(
            ValueError, TypeError, KeyError
        ):  # a size that makes no sense is not worth the session
            size = json.loads(payload)
            await session.resize(width=int(size["Width"]) & 0xFFFF, height=int(size["Height"]) & 0xFFFF)
    elif channel == CLOSE and payload[:1] == bytes([STDIN]):
        await session.close_stdin()


def _status(wire: Wire) -> bytes:
    return bytes([STATUS]) + json.dumps(wire).encode()
