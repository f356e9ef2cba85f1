"""SCTP through services, whether or not this kernel has sockets of it: two programs that bring it along speak it by raw sockets,
and the kernel's tracking follows their handshake (RFC 9260, 5.1)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from tests.agent.host import needs_host
from tests.agent.services_host import (
    ADDRESS,
    ADDRESS_6,
    CLIENT,
    CLIENT_6,
    NODE,
    NODE_6,
    Node,
    Place,
    dual,
    segment,
    service,
    slices,
)

__all__ = ["dual", "segment"]
pytestmark = needs_host

_INIT, _INIT_ACK = 1, 2
OURS, THEIRS = 0x0A0A0A0A, 0x0B0B0B0B
"""Tags of the association."""


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def message(source: int, target: int, *, kind: int, verification: int, tag: int) -> bytes:
    """A packet with one INIT or INIT ACK."""
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20, tag, 65536, 1, 1, 1)
    head = struct.pack("!HHI", source, target, verification)
    return head + struct.pack("<I", crc32c(head + bytes(4) + chunk)) + chunk


def raw(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_SCTP)
    made.settimeout(2)
    return made


def receive(wire: socket.socket) -> tuple[bytes, str]:
    """(SCTP packet, sender)"""
    data, sender = wire.recvfrom(1000)
    return (data[20:] if wire.family == socket.AF_INET else data), sender[0] if sender else ""


@contextlib.contextmanager
def answering_sctp(place: Place, address: str, seen: list[tuple[int, str]]) -> Iterator[None]:
    """Answers INIT with INIT ACK, and notes the port that it was asked at and by whom."""
    wire = place.call(partial(raw, address))
    wire.settimeout(None)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                data, sender = receive(wire)
                if not data:
                    return
                source, target = struct.unpack_from("!HH", data)
                seen.append((target, sender))
                tag = struct.unpack_from("!I", data, 16)[0]
                wire.sendto(message(target, source, kind=_INIT_ACK, verification=tag, tag=THEIRS), (sender, 0))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            wire.shutdown(socket.SHUT_RD)
        thread.join(timeout=2)
        wire.close()


def associate(address: str, port: int) -> tuple[str, int, int]:
    """(who answers, from which port, with which tag)"""
    with raw(address) as wire:
        wire.sendto(message(40000, port, kind=_INIT, verification=0, tag=OURS), (address, 0))
        data, sender = receive(wire)
    source, target, verification = struct.unpack_from("!HHI", data)
    assert (data[12], target, verification) == (_INIT_ACK, 40000, OURS)
    assert crc32c(data[:8] + bytes(4) + data[12:]) == struct.unpack_from("<I", data, 8)[0], (
        "the checksum was mended too"
    )
    return sender, source, struct.unpack_from("!I", data, 16)[0]


@pytest.mark.parametrize(("address", "node", "client"), [(ADDRESS, NODE, CLIENT), (ADDRESS_6, NODE_6, CLIENT_6)])
async def test_an_association_begins_through_a_service(dual: Node, address: str, node: str, client: str):
    await dual.pod("one")
    await dual.pod("two")
    pick = 1 if ":" in address else 0
    one, two = dual.sandboxes["one"].addresses[pick], dual.sandboxes["two"].addresses[pick]
    ports = [{"name": "", "protocol": "SCTP", "port": 36412, "nodePort": 30412}]
    await dual.put(service(at=(address,), type="NodePort", ports=ports), slices(one, protocol="SCTP", port=3868))
    seen: list[tuple[int, str]] = []
    with answering_sctp(dual.places["one"], address, seen):
        assert dual.places["two"].call(lambda: associate(address, 36412)) == (address, 36412, THEIRS)
        assert dual.places["client"].call(lambda: associate(node, 30412)) == (node, 30412, THEIRS)
    assert seen == [(3868, two), (3868, client)]
