"""Carries frames between a WebSocket and an end of a stream, both ways, until one of them is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from controlplane.nodes import tasks
from controlplane.nodes.errors import Close, Disconnected, StreamClosed
from controlplane.nodes.pipe import End, Frame
from controlplane.nodes.websocket import Socket

Translate = Callable[[Frame], Frame | None]
"""A frame as the other side is to see it; None where it is not to see it at all."""


@dataclass(frozen=True)
class Finish:
    close: Close
    by_socket: bool
    """The socket's peer ended it; otherwise the stream did, and everything of it has been sent to the socket."""


def unchanged(frame: Frame) -> Frame:
    return frame


async def carry(socket: Socket, end: End, *, down: Translate = unchanged, up: Translate = unchanged) -> Finish:
    """``down`` is towards the socket, which is left open for a last word. The end is closed, as the socket was."""
    downward = asyncio.create_task(_down(socket, end, down), name="stream down")
    upward = asyncio.create_task(_up(socket, end, up), name="stream up")
    try:
        await asyncio.wait({downward, upward}, return_when=asyncio.FIRST_COMPLETED)
        if not downward.done() and not upward.result().by_socket:
            # Sending is over, because the stream is; what came before its end is still to be delivered.
            await asyncio.wait({downward})
        finish = downward.result() if downward.done() else upward.result()
        end.close(finish.close)
        return finish
    finally:
        await tasks.cancel(downward, upward)
        end.close(Close(1001, "the peer went away"))


async def _down(socket: Socket, end: End, translate: Translate) -> Finish:
    while True:
        try:
            frame = translate(await end.receive())
            if frame is not None:
                await socket.send(frame)
        except StreamClosed as closed:
            return Finish(closed.close, by_socket=False)
        except Disconnected as gone:
            return Finish(Close(gone.code), by_socket=True)


async def _up(socket: Socket, end: End, translate: Translate) -> Finish:
    while True:
        try:
            frame = translate(await socket.receive())
            if frame is not None:
                await end.send(frame)
        except StreamClosed as closed:
            return Finish(closed.close, by_socket=False)
        except Disconnected as gone:
            return Finish(Close(gone.code), by_socket=True)
