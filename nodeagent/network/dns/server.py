"""The sockets: UDP and TCP, bound to the node's own addresses for pods and to nothing else.

Answers about the cluster are kept as bytes by the bytes of the question, and thrown away when the zone changes: most queries
cost a receive, a look-up and a send. Several records of one name have several kept answers, which take turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import dns.rcode

from nodeagent.errors import HostConflict
from nodeagent.network.dns import packets, upstream
from nodeagent.network.dns.cache import Cache, Entry
from nodeagent.network.dns.packets import Malformed, Question, Stored
from nodeagent.network.dns.upstream import NoAnswer, Upstream
from nodeagent.network.dns.zone import Found, Zone
from nodeagent.network.errors import NetworkError
from nodeagent.tasks import Tasks

log = logging.getLogger(__name__)

PORT = 53
LONGEST_SECONDS, LONGEST_NEGATIVE_SECONDS = 3600, 300
STALE_TTL_SECONDS = 30
KEPT_ANSWERS = 20_000
TURNS = 16
"""Orders in which several records are given, each by chance."""
IN_FLIGHT = 1000
"""Questions that wait for an upstream; one more is refused at once (SERVFAIL)."""
CONNECTIONS, IDLE_SECONDS = 200, 10.0
DRAIN_SECONDS = 15.0
CIRCLE_SECONDS = 30.0
"""How often it is tried whether a circle of forwarding is gone."""
BATCH = 64
"""Datagrams that are answered before others get their turn."""
BUFFER_BYTES = 1 << 20
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78


class Server:
    def __init__(
        self, zone: Zone, resolvers: Upstream, *, port: int = PORT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.port = port
        self._clock = clock
        self._zone = zone
        self._upstream = resolvers
        self._cache = Cache()
        self._kept: dict[bytes, Iterator[bytes]] = {}
        self._flights: dict[object, asyncio.Task[Stored | None]] = {}
        self._tasks = Tasks("dns")
        self._udp: dict[str, socket.socket] = {}
        self._tcp: dict[str, asyncio.Server] = {}
        self._conversations: set[asyncio.Task[None]] = set()
        self._probe = ""
        self._circle, self._looked = False, 0.0

    def replace(self, zone: Zone, resolvers: Upstream) -> None:
        self._zone, self._upstream = zone, resolvers
        self._cache.clear()
        self.zone_changed()
        self._tasks.spawn("circle", self.look_for_circle())

    def zone_changed(self) -> None:
        self._kept.clear()

    # --- sockets -------------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[str]:
        """Where it answers."""
        return sorted(self._udp)

    async def listen(
        self,
        addresses: Collection[str],
        *,
        inherited: Mapping[tuple[str, str], socket.socket] = MappingProxyType({}),
    ) -> None:
        """On exactly these. Raises `HostConflict` where another server has the port, and does the others.

        ``inherited``: sockets of a predecessor, by address and ``udp`` or ``tcp``, which are used or closed.
        """
        for address in set(self._udp) - set(addresses):
            await self._stop(address)
        for (address, _), own in inherited.items():
            if address not in addresses:
                own.close()
        problems = []
        for address in addresses:
            if address not in self._udp:
                try:
                    await self._start(address, inherited.get((address, "udp")), inherited.get((address, "tcp")))
                except OSError as error:
                    problems.append(_explained(error, address, self.port))
        if problems:
            raise problems[0]

    async def _start(self, address: str, datagrams: socket.socket | None, stream: socket.socket | None) -> None:
        datagrams = datagrams or _bound(address, self.port, socket.SOCK_DGRAM)
        try:
            datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            port = self.port or datagrams.getsockname()[1]
            stream = stream or _bound(address, port, socket.SOCK_STREAM)
        except OSError:
            datagrams.close()
            raise
        self.port = port
        self._tcp[address] = await asyncio.start_server(self._converse, sock=stream)
        self._udp[address] = datagrams
        asyncio.get_running_loop().add_reader(datagrams.fileno(), self._readable, datagrams)

    async def _stop(self, address: str) -> None:
        datagrams = self._udp.pop(address)
        asyncio.get_running_loop().remove_reader(datagrams.fileno())
        datagrams.close()
        self._tcp.pop(address).close()

    def release(self) -> list[tuple[str, str, socket.socket]]:
        """Take no further question, and give the sockets to a successor: address, protocol and socket of each. What waits in
        them is the successor's to answer; what was taken before is answered from here (`drained`)."""
        loop = asyncio.get_running_loop()
        held = []
        for address, datagrams in self._udp.items():
            loop.remove_reader(datagrams.fileno())
            held.append((address, "udp", datagrams))
        for address, server in self._tcp.items():
            for stream in server.sockets:
                loop.remove_reader(stream.fileno())
                held.append((address, "tcp", socket.socket(fileno=os.dup(stream.fileno()))))
        return held

    async def drained(self) -> None:
        """Until what was taken is answered, or `DRAIN_SECONDS` are over."""
        await self._tasks.wait(DRAIN_SECONDS)
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=DRAIN_SECONDS)

    async def close(self) -> None:
        for address in list(self._udp):
            await self._stop(address)
        await self._tasks.close()

    def _readable(self, own: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                query, peer = own.recvfrom(4096)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:  # what a client's host said about an earlier answer
                log.debug("dns: %s", error)
                continue
            turns = self._kept.get(query[2:])
            if turns is not None:
                _send(own, query[:2] + next(turns), peer)
            else:
                self._answer_datagram(own, query, peer)

    def _answer_datagram(self, own: socket.socket, query: bytes, peer: Any) -> None:
        try:
            question = packets.parse(query)
            if question is None:
                return
            answer = self._at_once(query, question)
            if answer is not None:
                _send(own, answer, peer)
            elif len(self._tasks) >= IN_FLIGHT:
                _send(own, packets.failure(query, dns.rcode.SERVFAIL), peer)
            else:
                self._tasks.spawn(f"question {question.name}", self._answer_later(own, query, question, peer))
        except Malformed as error:
            _send(own, packets.failure(query, error.rcode), peer)

    async def _answer_later(self, own: socket.socket, query: bytes, question: Question, peer: Any) -> None:
        _send(own, await self._ask(query, question, question.size), peer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: questions one after the other, until the client has none for a while."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._conversations.add(task)
        try:
            while len(self._conversations) <= CONNECTIONS:
                async with asyncio.timeout(IDLE_SECONDS):
                    (size,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(size)
                answer = await self._answer_stream(query)
                if answer is None:
                    break
                writer.write(struct.pack("!H", len(answer)) + answer)
                async with asyncio.timeout(IDLE_SECONDS):
                    await writer.drain()
        except (TimeoutError, EOFError, OSError):
            pass
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _answer_stream(self, query: bytes) -> bytes | None:
        try:
            question = packets.parse(query)
            if question is None:
                return None
            if self._zone.is_ours(question.name):
                found = self._zone.find(question.name, question.kind)
                if not found.elsewhere:
                    return packets.answer(question, found, size=packets.TCP_SIZE)
            return await self._ask(query, question, packets.TCP_SIZE)
        except Malformed as error:
            return packets.failure(query, error.rcode)

    # --- answers -------------------------------------------------------------------------------------------------

    def _at_once(self, query: bytes, question: Question) -> bytes | None:
        """For a datagram, what needs nobody else; None otherwise."""
        if self._zone.is_ours(question.name):
            found = self._zone.find(question.name, question.kind)
            return None if found.elsewhere else self._keep(query, question, found)
        if question.name == self._probe:
            self._circle = True
            return packets.failure(query, dns.rcode.REFUSED)
        now = self._clock()
        entry = self._cache.get(question.key, now)
        if entry is None or not entry.is_fresh(now):
            return None
        return packets.replay(question, entry.stored, age=entry.age(now), size=question.size)

    def _keep(self, query: bytes, question: Question, found: Found) -> bytes:
        turns = TURNS if len(found.answers) > 1 else 1
        answers = [packets.answer(question, found, size=question.size) for _ in range(turns)]
        if len(self._kept) >= KEPT_ANSWERS:
            self._kept.clear()
        self._kept[query[2:]] = itertools.cycle([each[2:] for each in answers])
        return answers[0]

    async def _ask(self, query: bytes, question: Question, size: int) -> bytes:
        """From others, or what they said before where they do not answer now."""
        if self._zone.is_ours(question.name):
            return await self._follow(query, question, size)
        now = self._clock()
        entry = self._cache.get(question.key, now)
        if entry is not None and entry.is_fresh(now):
            return packets.replay(question, entry.stored, age=entry.age(now), size=size)
        try:
            stored = await self._resolve(question)
        except NoAnswer:
            return _stale(query, question, entry, size)
        if stored.flags & 0xF == dns.rcode.SERVFAIL and entry is not None:
            return _stale(query, question, entry, size)
        return packets.replay(question, stored, age=0, size=size)

    async def _follow(self, query: bytes, question: Question, size: int) -> bytes:
        """An alias of ours that leads to a name of others."""
        found = self._zone.find(question.name, question.kind)
        target = packets.about(question, found.elsewhere)
        try:
            stored = await self._resolve(target)
        except NoAnswer:
            return packets.failure(query, dns.rcode.SERVFAIL)
        return packets.answer(question, found, size=size, more=[stored])

    async def _resolve(self, question: Question) -> Stored:
        """Ask, once however many want to know it at the same time: a circle of forwarding ends here, too."""
        now = self._clock()
        entry = self._cache.get(question.key, now)
        if entry is not None and entry.is_fresh(now):
            return entry.stored
        if self._circle:
            self._look_again(now)
            raise NoAnswer
        flight = self._flights.get(question.key)
        if flight is None:
            flight = self._tasks.spawn(f"upstream {question.name}", self._fly(question))
            self._flights[question.key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(question.key, None))
        stored = await asyncio.shield(flight)
        if stored is None:
            raise NoAnswer
        return stored

    async def _fly(self, question: Question) -> Stored | None:
        try:
            response = await self._upstream.ask(question)
        except NoAnswer:
            return None
        stored = packets.store(
            response, question.asked, longest=LONGEST_SECONDS, longest_negative=LONGEST_NEGATIVE_SECONDS
        )
        self._cache.put(question.key, stored, self._clock())
        return stored

    def _look_again(self, now: float) -> None:
        if now - self._looked > CIRCLE_SECONDS:
            self._looked = now
            self._tasks.spawn("circle", self.look_for_circle())

    async def look_for_circle(self) -> bool:
        """Whether what we ask others comes back to us. While it does, nothing is forwarded."""
        self._probe, probe = upstream.probe_query()
        self._circle = False
        with contextlib.suppress(NoAnswer):
            await self._upstream.ask(probe)
        if self._circle:
            log.error(
                "the resolvers of /etc/resolv.conf ask this node's DNS: names outside the cluster are not resolved"
            )
        return self._circle


def _stale(query: bytes, question: Question, entry: Entry | None, size: int) -> bytes:
    if entry is None:
        return packets.failure(query, dns.rcode.SERVFAIL)
    return packets.replay(question, entry.stored, age=0, size=size, stale=STALE_TTL_SECONDS)


def _send(own: socket.socket, answer: bytes, peer: Any) -> None:
    with contextlib.suppress(OSError):  # a full buffer, or a peer that is gone: it asks again
        own.sendto(answer, peer)


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """To an address that the host may get only later."""
    version6 = ":" in address
    own = socket.socket(socket.AF_INET6 if version6 else socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    try:
        if version6:
            own.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            own.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if kind == socket.SOCK_STREAM:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((address, port))
    except OSError:
        own.close()
        raise
    return own


def _explained(error: OSError, address: str, port: int) -> HostConflict | NetworkError:
    if error.errno == errno.EADDRINUSE:
        return HostConflict(
            f"pods have no DNS: another server of this host listens on port {port} of {address} (or of all addresses): "
            "restrict it to the addresses that it is for (dnsmasq: bind-dynamic with except-interface=slip*)"
        )
    return NetworkError(f"pods have no DNS: cannot listen on {address}:{port}: {error.strerror}")
