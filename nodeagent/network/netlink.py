"""The dozen rtnetlink requests that pod networking needs (rtnetlink(7)).

pyroute2 speaks all of netlink, and costs 13 MB of the agent's memory and 90 ms of its start. This speaks only what we
use, in one packet and one answer each, 0.1 ms. A `Netlink` belongs to the network namespace of the thread that made it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import TracebackType
from typing import Self

_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_CREATE_EXCLUSIVE, _CREATE_REPLACE = 0x600, 0x500
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWADDR, _GETADDR = 20, 22
_NEWROUTE, _GETROUTE = 24, 26

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_BRPORT_HAIRPIN = 4
_VETH_INFO_PEER = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL = 1, 2, 3
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_NLA_F_NESTED = 0x8000
_TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _SCOPE_LINK, _TYPE_UNICAST = 254, 3, 0, 253, 1
_IFF_UP = 1


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    mtu: int
    up: bool
    master: int


@dataclass(frozen=True)
class Route:
    destination: IPv4Network
    device: int
    gateway: IPv4Address | None


class Netlink:
    """Synchronous; every method raises OSError with the kernel's number."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._sequence = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    # --- links ---------------------------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        try:
            answers = self._ask(_GETLINK, 0, _link_header() + _text(_IFLA_IFNAME, name), single=True)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return _parse_link(answers[0])

    def links(self) -> list[Link]:
        return [_parse_link(payload) for payload in self._ask(_GETLINK, _DUMP, _link_header())]

    def add_bridge(self, name: str, *, mtu: int) -> None:
        info = _nested(_IFLA_LINKINFO, _text(_INFO_KIND, "bridge"))
        self._ask(
            _NEWLINK, _ACK | _CREATE_EXCLUSIVE, _link_header() + _text(_IFLA_IFNAME, name) + _u32(_IFLA_MTU, mtu) + info
        )

    def add_veth(self, name: str, *, master: int, mtu: int, peer: str, peer_namespace: int) -> None:
        """A pair: ``name`` here, up and on the bridge ``master``; ``peer`` born in the namespace of that descriptor."""
        inside = (
            _link_header() + _text(_IFLA_IFNAME, peer) + _u32(_IFLA_MTU, mtu) + _u32(_IFLA_NET_NS_FD, peer_namespace)
        )
        data = _nested(_INFO_DATA, _nested(_VETH_INFO_PEER, inside))
        info = _nested(_IFLA_LINKINFO, _text(_INFO_KIND, "veth") + data)
        attributes = _text(_IFLA_IFNAME, name) + _u32(_IFLA_MTU, mtu) + _u32(_IFLA_MASTER, master) + info
        self._ask(_NEWLINK, _ACK | _CREATE_EXCLUSIVE, _link_header(up=True) + attributes)

    def set_up(self, index: int, *, mtu: int | None = None) -> None:
        self._ask(_NEWLINK, _ACK, _link_header(index, up=True) + (_u32(_IFLA_MTU, mtu) if mtu else b""))

    def set_hairpin(self, index: int) -> None:
        """Let the bridge send a packet back by the port that it came from.

        A pod that connects to its own published port needs it where br_netfilter is loaded (Docker loads it): the
        packet is then translated within the bridge.
        """
        data = _nested(_INFO_SLAVE_DATA, _attribute(_BRPORT_HAIRPIN, b"\1"))
        info = _nested(_IFLA_LINKINFO, _text(_INFO_SLAVE_KIND, "bridge") + data)
        self._ask(_NEWLINK, _ACK, _link_header(index) + info)

    def set_hardware_address(self, index: int, address: bytes) -> None:
        self._ask(_NEWLINK, _ACK, _link_header(index) + _attribute(_IFLA_ADDRESS, address))

    def delete(self, index: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            try:
                self._ask(_DELLINK, _ACK, _link_header(index))
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise

    # --- addresses and routes ------------------------------------------------------------------------------------

    def add_address(self, index: int, interface: IPv4Interface) -> None:
        header = struct.pack("BBBBi", socket.AF_INET, interface.network.prefixlen, 0, 0, index)
        packed = interface.ip.packed
        self._ask(
            _NEWADDR,
            _ACK | _CREATE_REPLACE,
            header + _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed),
        )

    def addresses(self) -> list[tuple[int, IPv4Interface]]:
        """(link index, address with its prefix) of every IPv4 address."""
        found = []
        for payload in self._ask(_GETADDR, _DUMP, struct.pack("BBBBi", socket.AF_INET, 0, 0, 0, 0)):
            _, prefix, _, _, index = struct.unpack_from("BBBBi", payload)
            attributes = _attributes(payload, 8)
            if address := attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS):
                found.append((index, IPv4Interface(f"{IPv4Address(address)}/{prefix}")))
        return found

    def add_default_route(self, gateway: IPv4Address) -> None:
        header = struct.pack(
            "BBBBBBBBI", socket.AF_INET, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_BOOT, _SCOPE_UNIVERSE, _TYPE_UNICAST, 0
        )
        self._ask(_NEWROUTE, _ACK | _CREATE_REPLACE, header + _attribute(_RTA_GATEWAY, gateway.packed))

    def routes(self) -> list[Route]:
        """IPv4 routes of the main table."""
        found = []
        header = struct.pack("BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        for payload in self._ask(_GETROUTE, _DUMP, header):
            _, prefix, _, _, table, _, _, kind, _ = struct.unpack_from("BBBBBBBBI", payload)
            attributes = _attributes(payload, 12)
            if _RTA_TABLE in attributes:
                table = _number(attributes, _RTA_TABLE)
            if table != _TABLE_MAIN or kind != _TYPE_UNICAST:
                continue
            address = IPv4Address(attributes.get(_RTA_DST, bytes(4)))
            gateway = attributes.get(_RTA_GATEWAY)
            found.append(
                Route(
                    IPv4Network((int(address), prefix), strict=False),
                    _number(attributes, _RTA_OIF),
                    IPv4Address(gateway) if gateway else None,
                )
            )
        return found

    # --- the protocol --------------------------------------------------------------------------------------------

    def _ask(self, kind: int, flags: int, payload: bytes, *, single: bool = False) -> list[bytes]:
        """Send one request; the payloads of its answers. Raises OSError where the kernel says no."""
        sequence = next(self._sequence)
        length = 16 + len(payload)
        self._socket.send(struct.pack("IHHII", length, kind, _REQUEST | flags, sequence, 0) + payload)
        answers: list[bytes] = []
        while True:
            for answer_kind, answered, body in _messages(self._socket.recv(65536)):
                if answered != sequence:
                    continue
                if answer_kind == _NLMSG_DONE:
                    return answers
                if answer_kind == _NLMSG_ERROR:
                    (number,) = struct.unpack_from("i", body)
                    if number:
                        raise OSError(-number, os.strerror(-number))
                    return answers
                answers.append(body)
                if single:
                    return answers


def _messages(buffer: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + 16 <= len(buffer):
        length, kind, _, sequence, _ = struct.unpack_from("IHHII", buffer, offset)
        yield kind, sequence, buffer[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _link_header(index: int = 0, *, up: bool = False) -> bytes:
    flags = _IFF_UP if up else 0
    return struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _text(kind: int, text: str) -> bytes:
    return _attribute(kind, text.encode() + b"\0")


def _u32(kind: int, number: int) -> bytes:
    return _attribute(kind, struct.pack("I", number))


def _nested(kind: int, data: bytes) -> bytes:
    return _attribute(kind | _NLA_F_NESTED, data)


def _attributes(payload: bytes, offset: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while offset + 4 <= len(payload):
        length, kind = struct.unpack_from("HH", payload, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = payload[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


def _number(attributes: Mapping[int, bytes], kind: int) -> int:
    data = attributes.get(kind)
    return int(struct.unpack("I", data)[0]) if data else 0


def _parse_link(payload: bytes) -> Link:
    _, _, index, flags, _ = struct.unpack_from("BxHiII", payload)
    attributes = _attributes(payload, 16)
    name = attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode()
    return Link(index, name, _number(attributes, _IFLA_MTU), bool(flags & _IFF_UP), _number(attributes, _IFLA_MASTER))
