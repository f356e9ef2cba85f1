"""Streams whose two ends landed in different web processes, carried over Redis.

Each process has one inbox, a list, that it takes messages from; a message names its stream and side. A sender keeps
within a window that the reader's acknowledgements open again, so neither Redis nor a process ever holds more than
`pipe.WINDOW_BYTES` (and a frame) for each stream and direction.

Nothing is lost silently: messages are numbered for each stream and direction, a repeated one (a client library may
retry) is dropped, and a gap ends the stream with an error. Death is noticed by both: each process keeps a key alive
while it relays anything, and a peer whose key is gone ends its streams; so does a break of the connection to Redis.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from redis.exceptions import RedisError

from controlplane.nodes import bus, pipe, tasks
from controlplane.nodes.errors import Close, StreamClosed
from controlplane.nodes.pipe import Frame, Pipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio.client import Pipeline

    from controlplane.nodes.bus import Bus

log = logging.getLogger(__name__)

PRESENCE_SECONDS = 9
PRESENCE_INTERVAL_SECONDS = 3.0
INBOX_LIFE_SECONDS = 60
"""An inbox that nobody empties any more vanishes after this."""
BATCH = 64
LOST = Close(1011, "the connection between the control plane's processes was lost")

_HEADER = struct.Struct(">16sBBI")


class Op(IntEnum):
    JOIN = 0
    """The agent's end is there; the body is the name of its process."""
    BYTES = 1
    TEXT = 2
    CONSUMED = 3
    CLOSE = 4


class Side(IntEnum):
    CLIENT = 0
    AGENT = 1


@dataclass(frozen=True)
class Address:
    """One end of one stream."""

    stream: bytes
    side: Side

    @property
    def other(self) -> Address:
        return Address(self.stream, Side(1 - self.side))


class RelayEnd:
    """An `End` whose other end is in the process ``peer``."""

    def __init__(self, relay: Relay, address: Address, peer: str) -> None:
        self.address = address
        self.peer = peer
        self._relay = relay
        self._incoming = Pipe(consumed=self._acknowledge)
        self._unacknowledged = 0
        self._in_flight = 0
        self._open = asyncio.Event()
        self._open.set()
        self._close: Close | None = None
        self._sent = 0
        self._received = 0

    async def send(self, frame: Frame) -> None:
        await self._open.wait()
        if self._close is not None:
            raise StreamClosed(self._close)
        self._in_flight += pipe.cost(frame)
        if self._in_flight >= pipe.WINDOW_BYTES:
            self._open.clear()
        self._post(Op.TEXT, frame.encode()) if isinstance(frame, str) else self._post(Op.BYTES, frame)

    async def receive(self) -> Frame:
        return await self._incoming.get()

    def close(self, close: Close) -> None:
        if self._close is None:
            self._post(Op.CLOSE, struct.pack(">H", close.code) + close.reason.encode())
        self._end(close)

    def join(self) -> None:
        self._post(Op.JOIN, self._relay.process.encode())

    def lose(self, close: Close) -> None:
        """The way to the peer is broken: nothing more will come, and nothing can be said."""
        self._end(close)

    def deliver(self, op: Op, sequence: int, body: bytes) -> None:
        if sequence < self._received:
            return
        if sequence > self._received:
            log.warning("a relayed stream lost a message and was ended")
            self.close(LOST)
            return
        self._received += 1
        if op is Op.CONSUMED:
            self._credit(struct.unpack(">I", body)[0])
        elif op is Op.CLOSE:
            self._close_incoming(Close(struct.unpack_from(">H", body)[0], body[2:].decode("utf-8", "replace")))
        elif op in (Op.BYTES, Op.TEXT):
            self._take(body.decode("utf-8", "replace") if op is Op.TEXT else body)

    def _take(self, frame: Frame) -> None:
        try:
            self._incoming.put_nowait(frame)
        except StreamClosed:
            return

    def _credit(self, consumed: int) -> None:
        self._in_flight -= consumed
        if self._in_flight < pipe.WINDOW_BYTES:
            self._open.set()

    def _acknowledge(self, consumed: int) -> None:
        """In quarters of the window: often enough to keep the sender going, seldom enough to cost little."""
        self._unacknowledged += consumed
        if self._unacknowledged >= pipe.WINDOW_BYTES // 4 and self._close is None:
            self._post(Op.CONSUMED, struct.pack(">I", self._unacknowledged))
            self._unacknowledged = 0

    def _close_incoming(self, close: Close) -> None:
        """The peer has said its last word: what it sent before may still be read, and sending is over."""
        self._incoming.close(close)
        self._finish(close)

    def _end(self, close: Close) -> None:
        self._incoming.abort(close)
        self._finish(close)

    def _finish(self, close: Close) -> None:
        if self._close is None:
            self._close = close
        self._open.set()
        self._relay.forget(self)

    def _post(self, op: Op, body: bytes) -> None:
        header = _HEADER.pack(self.address.stream, self.address.other.side, op, self._sent)
        self._sent += 1
        self._relay.post(self.peer, header + body)


class Relay:
    """All relayed streams of a process. Idle, it waits for its inbox and costs nothing."""

    def __init__(self, bus_: Bus, on_join: Callable[[bytes, str], RelayEnd | None]) -> None:
        """``on_join`` is told of an agent that came to another process: the stream's id and the process; it gives the
        client's end, or None if nobody waits for this stream (any more)."""
        self.process = bus_.process
        self._bus = bus_
        self._on_join = on_join
        self._ends: dict[Address, RelayEnd] = {}
        self._outbox: defaultdict[str, list[bytes]] = defaultdict(list)
        self._outgoing = asyncio.Event()
        self._needed = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []

    def listen(self) -> None:
        """See that the inbox is read: a stream may come from another process from now on."""
        if not self._tasks:
            self._tasks = [
                tasks.spawn(self._read(), name="relay inbox"),
                tasks.spawn(self._write(), name="relay outbox"),
                tasks.spawn(self._watch_peers(), name="relay presence"),
            ]

    def announce(self, pipeline: Pipeline) -> None:
        """Say that this process is alive, before any other can learn of a stream here and doubt it."""
        pipeline.set(bus.key(f"alive:{self.process}"), 1, ex=PRESENCE_SECONDS)

    def end(self, stream: bytes, side: Side, peer: str) -> RelayEnd:
        address = Address(stream, side)
        found = self._ends[address] = RelayEnd(self, address, peer)
        self.listen()
        self._needed.set()
        return found

    def post(self, peer: str, message: bytes) -> None:
        self._outbox[peer].append(message)
        self._outgoing.set()

    def forget(self, end: RelayEnd) -> None:
        if self._ends.get(end.address) is end:
            del self._ends[end.address]

    async def aclose(self) -> None:
        self._lose_all(LOST)
        await tasks.cancel(*self._tasks)
        self._tasks = []

    def _lose_all(self, close: Close, *, peer: str | None = None) -> None:
        for end in [end for end in self._ends.values() if peer in (None, end.peer)]:
            end.lose(close)

    # Reading

    async def _read(self) -> None:
        inbox = bus.key(f"relay:{self.process}")
        while True:
            try:
                async with bus.connect(blocking=True) as client:
                    while True:
                        first = await cast("Awaitable[Any]", client.blpop([inbox], timeout=0))
                        more = await cast("Awaitable[Any]", client.lpop(inbox, BATCH)) or []
                        for message in [first[1], *more]:
                            self._dispatch(message)
            except (RedisError, OSError) as error:
                if self._ends:
                    log.warning("redis: %s; relayed streams end", error)
                self._lose_all(LOST)
                await asyncio.sleep(bus.RETRY_SECONDS)

    def _dispatch(self, message: bytes) -> None:
        if len(message) < _HEADER.size:
            return
        stream, side, op, sequence = _HEADER.unpack_from(message)
        address, body = Address(stream, Side(side)), message[_HEADER.size :]
        if op == Op.JOIN:
            self._joined(address, body.decode("ascii", "replace"))
        elif (end := self._ends.get(address)) is not None:
            end.deliver(Op(op), sequence, body)

    def _joined(self, address: Address, peer: str) -> None:
        end = self._on_join(address.stream, peer)
        if end is None:
            end = self.end(address.stream, address.side, peer)
            end.close(Close(1008, "nobody waits for this stream"))
        end.deliver(Op.JOIN, 0, b"")

    # Writing

    async def _write(self) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            while self._outbox:
                peer, messages = self._outbox.popitem()
                await self._push(peer, messages)

    async def _push(self, peer: str, messages: list[bytes]) -> None:
        inbox = bus.key(f"relay:{peer}")
        try:
            for start in range(0, len(messages), BATCH):
                async with self._bus.client.pipeline(transaction=False) as pipeline:
                    pipeline.rpush(inbox, *messages[start : start + BATCH])
                    pipeline.expire(inbox, INBOX_LIFE_SECONDS)
                    await pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("redis: %s; relayed streams end", error)
            self._lose_all(LOST)

    # Presence

    async def _watch_peers(self) -> None:
        while True:
            await self._needed.wait()
            try:
                await self._bus.client.set(bus.key(f"alive:{self.process}"), 1, ex=PRESENCE_SECONDS)
                for peer in {end.peer for end in self._ends.values()}:
                    if not await self._bus.client.exists(bus.key(f"alive:{peer}")):
                        log.warning("a web process is gone; its relayed streams end")
                        self._lose_all(Close(1011, "a process of the control plane is gone"), peer=peer)
            except (RedisError, OSError) as error:
                log.warning("redis: %s", error)
            await asyncio.sleep(PRESENCE_INTERVAL_SECONDS)
            if not self._ends:
                self._needed.clear()
