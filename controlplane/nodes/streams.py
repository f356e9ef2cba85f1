"""Where the two ends of a stream meet: a client that asks, and the agent that dials in.

`open_stream` makes an unguessable id, asks the node's session (here or in another web process) to have its agent dial
``/agent/v1/streams/<id>``, and waits for it. `join` is the agent's part. An id works once, for `EXPIRY_SECONDS`, and
only with the credential of the node that it was made for.

In one process the ends are joined in memory. An agent that reaches another process than the client is relayed
(`relay`): the id is noted in Redis with the process that waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pydantic import ValidationError
from redis.exceptions import RedisError

from controlplane.nodes import bus, pipe
from controlplane.nodes.errors import BusDown, Close, Refused, StreamClosed
from controlplane.nodes.pipe import End
from controlplane.nodes.relay import Relay, RelayEnd, Side
from schema.session import OpenStream, StreamOpened

if TYPE_CHECKING:
    from controlplane.nodes.bus import Bus
    from controlplane.nodes.sessions import Sessions

log = logging.getLogger(__name__)

EXPIRY_SECONDS = 30
JOIN_SECONDS = 10.0
"""For the agent to dial in."""
OPEN_SECONDS = 30.0
"""For the agent to say whether the stream is open: it may have to start a process or read a large file."""

RECONNECT_SECONDS = 3.0
"""How long a stream waits for its node's session."""


@dataclass(frozen=True)
class _Pending:
    node: str
    arrival: asyncio.Future[End]


class Streams:
    """One per process and event loop."""

    def __init__(self, bus_: Bus, sessions: Sessions) -> None:
        self._bus = bus_
        self._sessions = sessions
        self._pending: dict[bytes, _Pending] = {}
        self.relay = Relay(bus_, self._joined_elsewhere)

    async def open_stream(self, node: str, request: OpenStream) -> End:
        """The client's end, once the agent has said that the stream is open. Raises `Refused`, with the agent's own
        Status where it is the agent that refuses. ``request.stream_id`` is filled in here."""
        stream = secrets.token_bytes(16)
        request = request.model_copy(update={"stream_id": stream.hex()})
        pending = _Pending(node, asyncio.get_running_loop().create_future())
        self._pending[stream] = pending
        try:
            await self._note(node, stream)
            await self._ask(node, request)
            end = await self._arrival(node, pending)
        finally:
            self._pending.pop(stream, None)
        return await _opened(end)

    async def join(self, node: str, stream_id: str) -> End:
        """The agent's end of a stream that waits for it. Raises `Refused` (404) for any other id."""
        stream = _parse(stream_id)
        pending = self._pending.get(stream)
        if pending is None:
            return await self._join_elsewhere(node, stream)
        if pending.node != node:
            raise _unknown()
        del self._pending[stream]
        await self._forget(node, stream)
        client, agent = pipe.pair()
        if pending.arrival.done():
            raise _unknown()
        pending.arrival.set_result(client)
        return agent

    async def aclose(self) -> None:
        await self.relay.aclose()

    async def _ask(self, node: str, request: OpenStream) -> None:
        if self._sessions.ask(node, request):
            return
        try:
            listeners = await self._sessions.ask_elsewhere(node, request)
        except BusDown:
            listeners = 0
        if not listeners:
            await self._ask_when_back(node, request)

    async def _ask_when_back(self, node: str, request: OpenStream) -> None:
        """After a restart of this process the agents are back within moments: a user need not notice."""
        try:
            async with asyncio.timeout(RECONNECT_SECONDS):
                await self._sessions.arrival(node)
        except TimeoutError:
            raise not_connected(node) from None
        if not self._sessions.ask(node, request):
            raise not_connected(node)

    async def _arrival(self, node: str, pending: _Pending) -> End:
        try:
            return await asyncio.wait_for(pending.arrival, JOIN_SECONDS)
        except TimeoutError:
            message = f'node "{node}" did not answer within {JOIN_SECONDS:.0f} s'
            raise Refused(504, message) from None

    # Between processes

    async def _note(self, node: str, stream: bytes) -> None:
        """Let the other processes know where this stream is awaited. Alone, or without Redis, nobody needs to."""
        try:
            async with self._bus.client.pipeline(transaction=False) as pipeline:
                self.relay.announce(pipeline)
                pipeline.set(_note_key(node, stream), self._bus.process, ex=EXPIRY_SECONDS)
                await pipeline.execute()
            self.relay.listen()
        except (RedisError, OSError) as error:
            log.warning("redis: %s; only agents that reach this process can be streamed from", error)

    async def _forget(self, node: str, stream: bytes) -> None:
        try:
            await self._bus.client.delete(_note_key(node, stream))
        except (RedisError, OSError) as error:
            log.debug("redis: %s", error)

    async def _join_elsewhere(self, node: str, stream: bytes) -> RelayEnd:
        try:
            async with self._bus.client.pipeline(transaction=False) as pipeline:
                self.relay.announce(pipeline)
                # Read and delete in one step, under the node's own name: single use, and useless to any other node.
                pipeline.getdel(_note_key(node, stream))
                owner = (await cast("Awaitable[list[bytes | None]]", pipeline.execute()))[1]
        except (RedisError, OSError) as error:
            log.warning("redis: %s; a stream's other end cannot be looked for", error)
            owner = None
        if owner is None:
            raise _unknown()
        end = self.relay.end(stream, Side.AGENT, owner.decode())
        end.join()
        return end

    def _joined_elsewhere(self, stream: bytes, peer: str) -> RelayEnd | None:
        pending = self._pending.pop(stream, None)
        if pending is None or pending.arrival.done():
            return None
        end = self.relay.end(stream, Side.CLIENT, peer)
        pending.arrival.set_result(end)
        return end


def not_connected(node: str) -> Refused:
    return Refused(503, f'node "{node}" is not connected: its agent has no session with the control plane')


async def _opened(end: End) -> End:
    """Take the agent's first word."""
    try:
        first = await asyncio.wait_for(end.receive(), OPEN_SECONDS)
        opened = StreamOpened.model_validate_json(first)
    except TimeoutError:
        end.close(Close(1001, "too late"))
        raise Refused(504, f"the node did not open the stream within {OPEN_SECONDS:.0f} s") from None
    except StreamClosed as closed:
        raise Refused(
            503, f"the node ended the stream before it was open: {closed.close.reason or 'no reason'}"
        ) from None
    except ValidationError:
        end.close(Close(1002, "expected StreamOpened"))
        raise Refused(500, "the node's agent does not speak this protocol") from None
    except asyncio.CancelledError:
        end.close(Close(1001, "the client went away"))
        raise
    if opened.failure is not None:
        end.close(Close(1000))
        raise Refused.of(opened.failure)
    return end


def _parse(stream_id: str) -> bytes:
    try:
        stream = bytes.fromhex(stream_id)
    except ValueError:
        raise _unknown() from None
    if len(stream) != 16:
        raise _unknown()
    return stream


def _unknown() -> Refused:
    return Refused(404, "no such stream: it was never opened, is over, or belongs to another node")


def _note_key(node: str, stream: bytes) -> str:
    return bus.key(f"stream:{node}:{stream.hex()}")
