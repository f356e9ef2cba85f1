"""exec and attach: pumps between a process and the channel frames of ``v5.channel.k8s.io``."""

from __future__ import annotations

import contextlib

import orjson
from websockets.asyncio.client import ClientConnection

from nodeagent.errors import AgentError
from nodeagent.facilities import ExecSession
from nodeagent.tasks import race
from schema.base import Wire

STDIN, STDERR, STATUS, RESIZE, CLOSE = 0, 2, 3, 4, 255


async def serve(connection: ClientConnection, session: ExecSession, *, stderr: bool = True) -> None:
    """Until the process has ended and all it said is sent, or the client has gone; then the session is closed."""
    try:
        # The client's going ends the input; the end of the process, the output.
        await race("exec", _take_input(connection, session), _give_output(connection, session, stderr=stderr))
    finally:
        await session.close()


async def _give_output(connection: ClientConnection, session: ExecSession, *, stderr: bool) -> None:
    while (piece := await session.read()) is not None:
        channel, data = piece
        if data and (stderr or channel != STDERR):
            await connection.send(bytes((channel,)) + data)
    await send_status(connection, exit_status(await session.wait()))


async def _take_input(connection: ClientConnection, session: ExecSession) -> None:
    """Returns when the client has gone."""
    async for frame in connection:
        message = frame.encode() if isinstance(frame, str) else frame
        if not message:
            continue
        with contextlib.suppress(BrokenPipeError, ConnectionError):  # the process has closed its input, not its output
            await _take(message[0], message[1:], session)


async def _take(channel: int, data: bytes, session: ExecSession) -> None:
    if channel == STDIN and data:
        await session.write(data)
    elif channel == RESIZE and (size := _size(data)) is not None:
        await session.resize(width=size[0], height=size[1])
    elif channel == CLOSE and data[:1] == bytes((STDIN,)):
        await session.close_stdin()


def _size(data: bytes) -> tuple[int, int] | None:
    """``{"Width": 80, "Height": 24}``; None for anything else, which is not worth ending a session for."""
    try:
        parsed = orjson.loads(data)
        width, height = int(parsed["Width"]), int(parsed["Height"])
    except (ValueError, TypeError, KeyError):
        return None
    return (width, height) if 0 < width < 65536 and 0 < height < 65536 else None


async def send_status(connection: ClientConnection, status: Wire) -> None:
    await connection.send(bytes((STATUS,)) + orjson.dumps(status))


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


def start_failure(error: AgentError) -> Wire:
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": f"Internal error occurred: {error}",
        "details": {"causes": [{"message": str(error)}]},
        "code": 500,
    }
