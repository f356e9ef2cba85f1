"""What the rules of policies are made of, and what they come to (`Program`). Pure.

The names of chains, sets and maps are `policy_rules`'; `policy_table` writes them down for ``nft -f``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from schema.base import Wire

ADDRESS = {4: "ipv4_addr", 6: "ipv6_addr"}
FAMILY = {4: "ip", 6: "ip6"}
"""Words of nft, by the version of IP."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class NamedPort:
    name: str
    protocol: str
    number: int


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: frozenset[tuple[str, str]]
    addresses: tuple[Address, ...]
    local: bool = False
    """On this node."""
    ports: tuple[NamedPort, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """What there is."""

    pods: Sequence[Pod]
    namespaces: Mapping[str, Mapping[str, str]]
    """Their labels."""
    policies: Sequence[Wire]
    ranges: Sequence[Network] = ()
    """Of pods, on all nodes."""


@dataclass(frozen=True)
class Place:
    """Where the rules stand."""

    bridge: str
    dns: tuple[Address, ...] = ()


@dataclass(frozen=True)
class Set:
    type: str
    elements: frozenset[str] = frozenset()
    interval: bool = False


@dataclass
class Program:
    sets: dict[str, Set] = field(default_factory=dict)
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    """From an address to the chain that it goes to."""
    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def concerned(self) -> set[str]:
        """The addresses that have rules, of either direction."""
        return {address for entries in self.maps.values() for address in entries}
