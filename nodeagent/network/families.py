"""The two families of addresses, as nftables and Kubernetes call them. Pure."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network


@dataclass(frozen=True)
class Family:
    version: int
    kind: str
    """As in ``ipFamilies`` and ``addressType``."""
    word: str
    """In expressions of nft: ``ip saddr``."""
    type: str
    """Of an element of a set."""
    suffix: str
    """Of the names of maps, sets and chains."""
    socket: socket.AddressFamily

    def name(self, plain: str) -> str:
        """Of a map, set or chain, for this family."""
        return plain + self.suffix

    def has(self, address: str) -> bool:
        return (":" in address) == (self.version == 6)

    def network(self, text: str) -> IPv4Network | IPv6Network:
        return ip_network(text, strict=False)


V4 = Family(4, "IPv4", "ip", "ipv4_addr", "", socket.AF_INET)
V6 = Family(6, "IPv6", "ip6", "ipv6_addr", "6", socket.AF_INET6)
FAMILIES = (V4, V6)


def of(version: int) -> Family:
    return V4 if version == 4 else V6
