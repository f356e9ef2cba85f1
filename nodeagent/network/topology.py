"""How this node reaches the pods of every other: decided from the nodes of the cluster. Pure.

A node whose address lies in the subnet of ours is on our segment: its pods are reached by a plain route to it. All others are
reached through VXLAN (RFC 7348): the packet travels in a UDP datagram between the two nodes' addresses. Both ends decide alike,
because the rule is symmetric where the segment's prefix is. Nothing is flooded or learnt: neighbour and forwarding entries
are made from the list of nodes, and the hardware address of a node's VXLAN device follows from its range of pod addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    NetmaskValueError,
)
from typing import TypeVar

from nodeagent.network.spoofing import link_local
from schema.base import Wire
from schema.ranges import Range

VXLAN_OVERHEAD = 50
"""Outer Ethernet (14), IPv4 (20), UDP (8) and VXLAN (8) headers."""


_Network = TypeVar("_Network", IPv4Network, IPv6Network)
_Address = TypeVar("_Address", IPv4Address, IPv6Address)


class Mode(StrEnum):
    AUTO = "auto"
    """Direct on the own segment, VXLAN to everywhere else."""
    VXLAN = "vxlan"
    """Always: for networks that drop packets with addresses they do not know (clouds, switches with port security)."""
    DIRECT = "direct"
    """Never encapsulate: nodes beyond the segment are reached by whatever routes the administrator has made."""


@dataclass(frozen=True)
class Peer:
    name: str
    pod_network: IPv4Network
    address: IPv4Address
    """Of the node."""
    direct: bool

    @property
    def tunnel_address(self) -> IPv4Address:
        """Of its VXLAN device: the range's first, which no pod has."""
        return self.pod_network.network_address

    @property
    def hardware_address(self) -> str:
        return hardware_address(self.pod_network)


@dataclass(frozen=True)
class Peer6:
    """The way to a node's pods by IPv6. The tunnel runs over IPv4 all the same."""

    name: str
    pod_network: IPv6Network
    address: IPv4Address | None
    """Of the node, for the tunnel."""
    direct: IPv6Address | None
    """Of the node on our segment; None: through the tunnel."""
    hardware_address: str

    @property
    def tunnel_address(self) -> IPv6Address:
        """Of the node's tunnel, link-local: the kernel refuses a gateway (EINVAL) in a network that leads through another
        device, as the pods' own does while a peer leaves our segment."""
        return link_local(self.hardware_address)


def hardware_address(pod_network: Range) -> str:
    """Of the VXLAN device of the node with this range: locally administered. From a range of IPv4 where the node has one."""
    if isinstance(pod_network, IPv4Network):
        return (b"\x0a\x59" + pod_network.network_address.packed).hex(":")
    return (b"\x0a\x5a" + hashlib.sha256(pod_network.network_address.packed).digest()[:4]).hex(":")


def peers(nodes: Iterable[Wire], *, own_name: str, own: IPv4Interface, mode: Mode) -> list[Peer]:
    """Every other node that has a range and an address. ``own``: this node's address, with the prefix of its segment."""
    found: dict[IPv4Network, Peer] = {}
    for node in sorted(nodes, key=lambda one: str(one["metadata"]["name"])):
        name = node["metadata"]["name"]
        network, address = pod_network(node), node_address(node)
        if name == own_name or network is None or address is None:
            continue
        near = address in own.network and own.network.prefixlen < 32
        if mode is Mode.DIRECT and not near:
            continue
        found.setdefault(network, Peer(name, network, address, direct=near and mode is not Mode.VXLAN))
    return list(found.values())


def peers6(nodes: Iterable[Wire], *, own_name: str, own: IPv6Interface | None, mode: Mode) -> list[Peer6]:
    """As `peers`, by IPv6. ``own``: this node's address of IPv6, where it has one."""
    found: dict[IPv6Network, Peer6] = {}
    for node in sorted(nodes, key=lambda one: str(one["metadata"]["name"])):
        name, network = node["metadata"]["name"], pod_network6(node)
        if name == own_name or network is None:
            continue
        address = node_address(node)
        near = None if mode is Mode.VXLAN or own is None else _neighbour(node, own)
        if near is None and (mode is Mode.DIRECT or address is None):
            continue
        found.setdefault(network, Peer6(name, network, address, near, hardware_address(pod_network(node) or network)))
    return list(found.values())


def _neighbour(node: Wire, own: IPv6Interface) -> IPv6Address | None:
    return next(
        (each for each in _addresses(node, IPv6Address) if each in own.network and own.network.prefixlen < 128), None
    )


def pod_network(node: Wire) -> IPv4Network | None:
    return next(_networks(node, IPv4Network), None)


def pod_network6(node: Wire) -> IPv6Network | None:
    return next(_networks(node, IPv6Network), None)


def _networks(node: Wire, family: type[_Network]) -> Iterator[_Network]:
    spec = node.get("spec") or {}
    for text in spec.get("podCIDRs") or [spec.get("podCIDR")]:
        with contextlib.suppress(AddressValueError, NetmaskValueError, ValueError):
            yield family(text or "")


def node_address(node: Wire) -> IPv4Address | None:
    return next(_addresses(node, IPv4Address), None)


def _addresses(node: Wire, family: type[_Address]) -> Iterator[_Address]:
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == "InternalIP":
            with contextlib.suppress(AddressValueError):
                yield family(entry.get("address", ""))


def interface_of(
    address: IPv4Address, interfaces: Mapping[int, Iterable[IPv4Interface]]
) -> tuple[int, IPv4Interface] | None:
    """The link that has the address, and the address with its prefix."""
    for index, held in interfaces.items():
        for interface in held:
            if interface.ip == address:
                return index, interface
    return None
