"""Addresses of load balancers that this node answers for: given to the device on whose segment they lie, and announced by a
gratuitous ARP (RFC 5227), so that neighbours who knew another node turn to this one at once. Blocking, for a thread.

An address that lies on no segment of this node is left alone: whoever routes it here needs no ARP.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface

from nodeagent.network.netlink import Netlink

log = logging.getLogger(__name__)

_ARP, _BROADCAST = 0x0806, b"\xff" * 6


def ensure(wanted: Iterable[str], *, kept: Iterable[str], but: Iterable[str] = ()) -> set[str]:
    """Take on ``wanted``, give up those of ``kept`` (had before) that are not wanted; the addresses that it has now. Devices
    named in ``but`` are our own and no segment."""
    target = {IPv4Address(each) for each in wanted}
    before = {IPv4Address(each) for each in kept}
    with Netlink() as host:
        links = {link.index: link for link in host.links()}
        present = host.addresses()
        ours = {interface.ip: index for index, interface in present if interface.network.prefixlen == 32}
        for address in before - target:
            if address in ours:
                with contextlib.suppress(OSError):
                    host.delete_address(ours[address], IPv4Interface((address, 32)))
        taken = set()
        for address in target:
            index = ours.get(address) or _segment(address, present, {links[i].name: i for i in links}, but)
            if index is None:
                continue
            taken.add(address)
            if address not in ours:
                host.add_address(index, IPv4Interface((address, 32)))
                announce(links[index].name, host.hardware_address(index), address)
    return {str(each) for each in taken}


def _segment(
    address: IPv4Address, present: list[tuple[int, IPv4Interface]], names: dict[str, int], but: Iterable[str]
) -> int | None:
    excluded = {names[name] for name in but if name in names} | {names.get("lo", 1)}
    for index, interface in present:
        on_link = address in interface.network and interface.network.prefixlen < 32
        if index not in excluded and on_link and address != interface.ip:
            return index
    return None


def announce(device: str, hardware: bytes, address: IPv4Address) -> None:
    """Both forms, as some neighbours heed only one: a request and a reply, from and for the address itself."""
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((device, _ARP))
            for operation, target in ((1, b"\x00" * 6), (2, hardware)):
                packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
                packet += hardware + address.packed + target + address.packed
                wire.send(_BROADCAST + hardware + struct.pack("!H", _ARP) + packet)
    except OSError as error:
        if error.errno != errno.ENETDOWN:
            log.warning("%s: neighbours on %s were not told of it: %s", address, device, error)
