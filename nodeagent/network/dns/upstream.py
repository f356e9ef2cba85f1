"""Asking the node's own resolvers: by UDP from a fresh port, by TCP where the answer was cut, the next one where one fails."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
from dns.rdatatype import RdataType

from nodeagent.network import files
from nodeagent.network.dns.packets import LARGEST_DATAGRAM, Question

log = logging.getLogger(__name__)

TRY_SECONDS = 1.5
DEADLINE_SECONDS = 4.5
"""A resolver in a pod gives up after 5 s."""
AVOID_SECONDS = 10.0
"""An upstream that failed is asked last for so long."""
LOOK_SECONDS = 1.0
"""How often resolv.conf is looked at, and only when somebody asks."""
PORT = 53
_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
_GIVE_UP = frozenset({dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR})
"""Codes that say something about the server rather than about the name."""

Server = tuple[str, int]


class NoAnswer(Exception):
    """No upstream has answered, or there is none."""


class Resolvers:
    """The host's, from its resolv.conf, read again when it changes."""

    def __init__(self, path: Path = Path("/etc/resolv.conf"), *, own: Collection[str] = ()) -> None:
        self._path = path
        self._own = frozenset(own)
        self._looked, self._stamp = 0.0, (0, 0)
        self._servers: list[Server] = []

    def __call__(self) -> Sequence[Server]:
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self._look()
        return self._servers

    def _look(self) -> None:
        try:
            status = self._path.stat()
        except OSError:
            self._servers = []
            return
        if (status.st_mtime_ns, status.st_ino) != self._stamp:
            self._stamp = (status.st_mtime_ns, status.st_ino)
            self._servers = read_servers(self._path, self._own)


def read_servers(path: Path, own: Collection[str]) -> list[Server]:
    """Never ourselves: that would be a circle."""
    found = files.parse_resolver(_read(path))
    reachable = files.without_loopback(found)
    if not reachable.nameservers and found.nameservers:
        # systemd-resolved's stub asks whom this file names; without it the stub on the loopback is all there is.
        reachable = files.without_loopback(files.parse_resolver(_read(_RESOLVED)))
    names = reachable.nameservers or found.nameservers
    return [(name, PORT) for name in names if _is_address(name) and name not in own]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


class Upstream:
    def __init__(self, servers: Callable[[], Sequence[Server]], *, try_seconds: float = TRY_SECONDS) -> None:
        self._servers = servers
        self._try_seconds = try_seconds
        self._failed: dict[Server, float] = {}

    async def ask(self, question: Question) -> Any:
        """The response of the first upstream that has one. Raises `NoAnswer`."""
        message = _query(question)
        last: Any = None
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                for _ in range(2):
                    for server in self._in_order():
                        response = await self._try(server, message)
                        if response is None:
                            continue
                        last = response
                        if response.rcode() not in _GIVE_UP:
                            return response
                    if last is not None:
                        return last
        except TimeoutError:
            pass
        if last is not None:
            return last
        raise NoAnswer

    def _in_order(self) -> list[Server]:
        """As resolv.conf has them; those that failed a moment ago last."""
        limit = time.monotonic() - AVOID_SECONDS
        return sorted(self._servers(), key=lambda server: self._failed.get(server, limit) > limit)

    async def _try(self, server: Server, message: Any) -> Any:
        message.id = secrets.randbelow(65536)
        try:
            async with asyncio.timeout(self._try_seconds):
                response = await _by_udp(server, message)
                if response.flags & dns.flags.TC:
                    response = await _by_tcp(server, message)
        except (OSError, EOFError, TimeoutError, dns.exception.DNSException) as error:
            log.debug("upstream %s: %s", server[0], error or type(error).__name__)
            self._failed[server] = time.monotonic()
            return None
        if response.rcode() in _GIVE_UP:
            self._failed[server] = time.monotonic()
        else:
            self._failed.pop(server, None)
        return response


def _query(question: Question) -> Any:
    name = dns.name.from_wire(question.asked, 0)[0]
    message = dns.message.make_query(name, question.kind, use_edns=0, payload=LARGEST_DATAGRAM)
    message.want_dnssec(question.dnssec)
    if question.flags & dns.flags.CD:
        message.flags |= dns.flags.CD
    return message


async def _by_udp(server: Server, message: Any) -> Any:
    """A socket of its own for each question: a random port, and only that server's datagrams."""
    loop = asyncio.get_running_loop()
    with socket.socket(_family(server), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as own:
        own.connect(server)
        await loop.sock_sendall(own, message.to_wire())
        while True:
            data = await loop.sock_recv(own, 65535)
            response = dns.message.from_wire(data, ignore_trailing=True)
            if message.is_response(response):
                return response


async def _by_tcp(server: Server, message: Any) -> Any:
    reader, writer = await asyncio.open_connection(*server)
    try:
        wire = message.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        response = dns.message.from_wire(await reader.readexactly(size), ignore_trailing=True)
        if not message.is_response(response):
            raise EOFError("the answer is to another question")
        return response
    finally:
        writer.close()


def _family(server: Server) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in server[0] else socket.AF_INET


def probe_query() -> tuple[str, Question]:
    """A question that nobody else asks: whoever forwards to us what we ask them, makes a circle."""
    label = secrets.token_hex(16)
    asked = b"\x20" + label.encode() + b"\x04loop\x00" + struct.pack("!HH", RdataType.TXT, dns.rdataclass.IN)
    return f"{label}.loop", Question(0, 0x0100, asked, f"{label}.loop", RdataType.TXT, LARGEST_DATAGRAM)
