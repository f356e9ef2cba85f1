"""How this node reaches the pods of every other: decided from the nodes of the cluster. Pure.

A node whose address lies in the subnet of ours is on our segment: its pods are reached by a plain route to it. All others are
reached through VXLAN (RFC 7348): the packet travels in a UDP datagram between the two nodes' addresses. Both ends decide alike,
because the rule is symmetric where the segment's prefix is. Nothing is flooded or learnt: neighbour and forwarding entries
are made from the list of nodes, and the hardware address of a node's VXLAN device follows from its range of pod addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError

from schema.base import Wire

VXLAN_OVERHEAD = 50
"""Outer Ethernet (14), IPv4 (20), UDP (8) and VXLAN (8) headers."""


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


def hardware_address(pod_network: IPv4Network) -> str:
    """Of the VXLAN device of the node with this range: locally administered."""
    return (b"\x0a\x59" + pod_network.network_address.packed).hex(":")


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


def pod_network(node: Wire) -> IPv4Network | None:
    spec = node.get("spec") or {}
    for text in spec.get("podCIDRs") or [spec.get("podCIDR")]:
        try:
            return IPv4Network(text or "")
        except (AddressValueError, NetmaskValueError, ValueError):
            continue
    return None


def node_address(node: Wire) -> IPv4Address | None:
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == "InternalIP":
            try:
                return IPv4Address(entry.get("address", ""))
            except AddressValueError:
                continue
    return None


def interface_of(
    address: IPv4Address, interfaces: Mapping[int, Iterable[IPv4Interface]]
) -> tuple[int, IPv4Interface] | None:
    """The link that has the address, and the address with its prefix."""
    for index, held in interfaces.items():
        for interface in held:
            if interface.ip == address:
                return index, interface
    return None
