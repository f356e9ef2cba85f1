"""Addresses of load balancers that this node answers for: given to the device on whose segment they lie, and announced by a
gratuitous ARP (RFC 5227) or an unsolicited neighbour advertisement (RFC 4861, 7.2.6), so that neighbours who knew another node
turn to this one at once. Blocking, for a thread.

An address that lies on no segment of this node is left alone: whoever routes it here needs no announcement.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface

from nodeagent.network import bridge
from nodeagent.network.netlink import Netlink

log = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
Present = Sequence[tuple[int, IPv4Interface | IPv6Interface]]
"""(link index, address with its prefix)"""

_ARP, _BROADCAST = 0x0806, b"\xff" * 6
_ADVERTISEMENT, _OVERRIDE, _TARGET_HARDWARE = 136, 0x20000000, 2
_ALL_NODES = "ff02::1"


def ensure(wanted: Iterable[str], *, kept: Iterable[str], but: Iterable[str] = ()) -> set[str]:
    """Take on ``wanted``, give up those of ``kept`` (had before) that are not wanted; the addresses that it has now. Devices
    named in ``but`` are our own and no segment."""
    target = {ip_address(each) for each in wanted}
    before = {ip_address(each) for each in kept}
    with Netlink() as host:
        links = {link.index: link for link in host.links()}
        present: Present = [*host.addresses(), *(host.addresses6() if bridge.has_ipv6() else ())]
        ours = {held.ip: index for index, held in present if held.network.prefixlen == held.max_prefixlen}
        for address in before - target:
            if address in ours:
                with contextlib.suppress(OSError):
                    host.delete_address(ours[address], ip_interface(address))
        taken = set()
        for address in target:
            index = ours.get(address) or _segment(address, present, {links[i].name: i for i in links}, but)
            if index is None:
                continue
            taken.add(address)
            if address not in ours:
                host.add_address(index, ip_interface(address))
                announce(links[index].name, index, host.hardware_address(index), address)
    return {str(each) for each in taken}


def _segment(address: Address, present: Present, names: dict[str, int], but: Iterable[str]) -> int | None:
    excluded = {names[name] for name in but if name in names} | {names.get("lo", 1)}
    for index, held in present:
        on_link = address in held.network and held.network.prefixlen < held.max_prefixlen
        if index not in excluded and on_link and address != held.ip:
            return index
    return None


def announce(device: str, index: int, hardware: bytes, address: Address) -> None:
    try:
        if isinstance(address, IPv4Address):
            _announce(device, hardware, address)
        else:
            _advertise(index, hardware, address)
    except OSError as error:
        if error.errno != errno.ENETDOWN:
            log.warning("%s: neighbours on %s were not told of it: %s", address, device, error)


def _announce(device: str, hardware: bytes, address: IPv4Address) -> None:
    """Both forms, as some neighbours heed only one: a request and a reply, from and for the address itself."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((device, _ARP))
        for operation, target in ((1, b"\x00" * 6), (2, hardware)):
            packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
            packet += hardware + address.packed + target + address.packed
            wire.send(_BROADCAST + hardware + struct.pack("!H", _ARP) + packet)


def _advertise(index: int, hardware: bytes, address: IPv6Address) -> None:
    """To all nodes of the segment; the kernel works out the checksum."""
    message = struct.pack("!BBHI", _ADVERTISEMENT, 0, 0, _OVERRIDE) + address.packed
    message += struct.pack("!BB", _TARGET_HARDWARE, 1) + hardware
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as wire:
        wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        wire.bind((str(address), 0, 0, index))
        wire.sendto(message, (_ALL_NODES, 0, 0, index))
