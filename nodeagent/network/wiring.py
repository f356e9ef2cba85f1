"""A pod's pair of interfaces, asked of rtnetlink(7) in two batches.

`netlink.Netlink` is the way to speak to the kernel. Here it would cost more than the kernel does: pyroute2 runs an event loop
inside each of a dozen requests, and a node that starts fifty pods at once waits for its own interpreter. So these few
messages are packed by hand, sent together, and only their acknowledgements are read.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Self

_NEWLINK, _SETLINK, _NEWADDR, _NEWROUTE, _NEWQDISC, _DELQDISC, _NEWFILTER, _ERROR = 16, 19, 20, 24, 36, 37, 44, 2
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_MASTER = 1, 3, 4, 10
_IFLA_PROTINFO, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 12, 18, 28
_IFLA_AF_SPEC, _INET6_ADDR_GEN_MODE, _INET6_ADDR_GEN_NONE = 26, 8, 1
_INFO_KIND, _INFO_DATA, _VETH_PEER, _BRPORT_MODE = 1, 2, 1, 4
_TCA_KIND, _TCA_OPTIONS, _BPF_FD, _BPF_NAME, _BPF_FLAGS, _BPF_ACTS_ITSELF = 1, 2, 6, 7, 8, 1
_CLSACT, _CLSACT_HANDLE, _OUT_OF_POD, _INTO_POD = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF2, 0xFFFFFFF3
_ETH_P_ALL = 0x0003
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_NESTED = 0x8000
_UP = 1
_NODAD = 0x02
_TABLE_MAIN, _PROTOCOL_STATIC, _TYPE_UNICAST, _SCOPE_LINK = 254, 4, 1, 253
_SIOCGIFINDEX = 0x8933
_SOL_NETLINK, _CAP_ACK = 270, 10
_LOOPBACK = 1
"""Loopback is the first interface of every network namespace."""

_HEADER, _LINK, _ADDRESS = struct.Struct("=IHHII"), struct.Struct("=BxHiII"), struct.Struct("=BBBBI")
_TRAFFIC = struct.Struct("=BxxxiIII")
_ROUTE, _ATTRIBUTE, _CODE = struct.Struct("=BBBBBBBBI"), struct.Struct("=HH"), struct.Struct("=i")


class Wire:
    """A socket to the rtnetlink of the network namespace in which it was made, wherever its thread goes afterwards."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._socket.bind((0, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def index(self, name: str) -> int:
        """Of an interface. Raises OSError (ENODEV)."""
        asked = struct.pack("16si20x", name.encode(), 0)
        return int(struct.unpack_from("16si", fcntl.ioctl(self._socket, _SIOCGIFINDEX, asked))[1])

    def ask(self, messages: Sequence[tuple[int, int, bytes]]) -> None:
        """Send (type, flags, body) all at once, in their order. Raises OSError with the kernel's number for the first that it
        refuses; those after it have been tried."""
        packed = [
            _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST | _ACK, number, 0) + body
            for number, (kind, flags, body) in enumerate(messages, 1)
        ]
        self._socket.send(b"".join(packed))
        codes: dict[int, int] = {}
        while len(codes) < len(packed):
            codes.update(_acknowledged(self._socket.recv(65536)))
        for _, code in sorted(codes.items()):
            if code:
                raise OSError(-code, os.strerror(-code))


def _acknowledged(answer: bytes) -> dict[int, int]:
    """Code by message number."""
    codes, place = {}, 0
    while place + _HEADER.size <= len(answer):
        length, kind, _, number, _ = _HEADER.unpack_from(answer, place)
        if kind == _ERROR:
            codes[number] = _CODE.unpack_from(answer, place + _HEADER.size)[0]
        place += max(_aligned(length), _HEADER.size)
    return codes


def join(host: Wire, name: str, *, bridge: int, mtu: int, peer: str, namespace: int, peer_hardware: str) -> None:
    """A pair: ``name`` in ``host``'s namespace, up and a port of ``bridge``; ``peer`` born in that of the descriptor, with
    the hardware address.

    The port is a hairpin, which may send a packet back to where it came from: a pod that connects to its own published
    port needs it where br_netfilter is loaded (Docker loads it), as the packet is then translated within the bridge.
    """
    peer_part = _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, peer) + _word(_IFLA_MTU, mtu)
    peer_part += _word(_IFLA_NET_NS_FD, namespace)
    peer_part += _attribute(_IFLA_ADDRESS, bytes.fromhex(peer_hardware.replace(":", "")))
    pair = _text(_INFO_KIND, "veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, peer_part))
    link = _LINK.pack(0, 0, 0, 0, 0) + _text(_IFLA_IFNAME, name) + _word(_IFLA_MTU, mtu)
    link += _word(_IFLA_MASTER, bridge) + _attribute(_IFLA_LINKINFO, pair)
    host.ask([(_NEWLINK, _CREATE | _EXCLUSIVE, link)])
    index = host.index(name)
    # A port of a bridge needs no address, and browsers on this machine drop their connections whenever one comes.
    no_address = _attribute(_INET6_ADDR_GEN_MODE, bytes([_INET6_ADDR_GEN_NONE]))
    family = _attribute(_IFLA_AF_SPEC | _NESTED, _attribute(socket.AF_INET6 | _NESTED, no_address))
    port = _attribute(_IFLA_PROTINFO | _NESTED, _attribute(_BRPORT_MODE, b"\x01"))
    bare = (_SETLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0) + family)
    hairpin = (_SETLINK, 0, _LINK.pack(socket.AF_BRIDGE, 0, index, 0, 0) + port)
    up = (_SETLINK, 0, _LINK.pack(socket.AF_UNSPEC, 0, index, _UP, _UP))
    host.ask([bare, hairpin, up] if _has_ipv6() else [hairpin, up])


def _has_ipv6() -> bool:
    return Path("/proc/sys/net/ipv6").exists()


def classify(host: Wire, name: str, *, out_of_pod: int, into_pod: int) -> None:
    """Let programs (descriptors, `bpf.load`) see what comes from the pod behind ``name`` and what goes to it, in place of
    those that did. Raises OSError, where the kernel has no sch_clsact or cls_bpf say."""
    index = host.index(name)
    qdisc = _TRAFFIC.pack(0, index, _CLSACT_HANDLE, _CLSACT, 0) + _text(_TCA_KIND, "clsact")
    programs = ((_OUT_OF_POD, out_of_pod), (_INTO_POD, into_pod))
    filters = [(_NEWFILTER, _CREATE | _REPLACE, _filter(index, parent, program)) for parent, program in programs]
    host.ask([(_NEWQDISC, _CREATE, qdisc), *filters])


def declassify(host: Wire, name: str) -> None:
    """Take away what `classify` has attached. Raises OSError: EINVAL or ENOENT where nothing is."""
    host.ask([(_DELQDISC, 0, _TRAFFIC.pack(0, host.index(name), _CLSACT_HANDLE, _CLSACT, 0))])


def _filter(index: int, parent: int, program: int) -> bytes:
    options = _word(_BPF_FD, program) + _text(_BPF_NAME, "slipway") + _word(_BPF_FLAGS, _BPF_ACTS_ITSELF)
    info = 1 << 16 | socket.htons(_ETH_P_ALL)
    return _TRAFFIC.pack(0, index, 1, parent, info) + _text(_TCA_KIND, "bpf") + _attribute(_TCA_OPTIONS, options)


def address(
    own: Wire,
    interface: str,
    addresses: Sequence[IPv4Interface | IPv6Interface],
    gateways: Sequence[IPv4Address | IPv6Address],
) -> None:
    """Bring up loopback and ``interface``, with its addresses and a default route by each gateway."""
    index = own.index(interface)
    up = [(_NEWLINK, 0, _LINK.pack(0, 0, each, _UP, _UP)) for each in (_LOOPBACK, index)]
    given = [(_NEWADDR, _CREATE | _REPLACE, _own_address(index, each)) for each in addresses]
    routes = [(_NEWROUTE, _CREATE | _REPLACE, body) for each in gateways for body in _default_route(index, each)]
    own.ask([up[0], *given, up[1], *routes])


def _own_address(index: int, interface: IPv4Interface | IPv6Interface) -> bytes:
    packed = interface.ip.packed
    body = _ADDRESS.pack(_family(interface.version), interface.network.prefixlen, 0, 0, index)
    body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
    # IPv6: good at once, not after a second of asking around: nobody else gives addresses of our ranges.
    return body + _word(_IFA_FLAGS, _NODAD) if interface.version == 6 else body


def _default_route(index: int, gateway: IPv4Address | IPv6Address) -> tuple[bytes, bytes]:
    """By a gateway that the device leads to, whatever the device's own address covers."""
    device = _word(_RTA_OIF, index)
    family, whole = _family(gateway.version), gateway.max_prefixlen
    scope = _SCOPE_LINK if gateway.version == 4 else 0
    on_link = _ROUTE.pack(family, whole, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _TYPE_UNICAST, 0)
    default = _ROUTE.pack(family, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, 0, _TYPE_UNICAST, 0)
    return (
        on_link + _attribute(_RTA_DST, gateway.packed) + device,
        default + _attribute(_RTA_GATEWAY, gateway.packed) + device,
    )


def _family(version: int) -> int:
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _word(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (_aligned(length) - length)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
