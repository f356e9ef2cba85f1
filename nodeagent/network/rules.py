"""The nftables tables of an instance, as text for ``nft -f``. Pure.

One table for each family of addresses holds everything, so that removing them removes everything. Published ports are
elements of two maps: a packet costs one hash lookup per map however many ports there are, and a pod's ports come and go
without touching the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from schema.ranges import Range


@dataclass(frozen=True)
class PublishedPort:
    protocol: str
    """``tcp``, ``udp`` or ``sctp``."""
    host_ip: str
    """Empty: every address of the host."""
    host_port: int
    container_port: int

    def overlaps(self, other: PublishedPort) -> bool:
        same = (self.protocol, self.host_port) == (other.protocol, other.host_port)
        return same and (not self.host_ip or not other.host_ip or self.host_ip == other.host_ip)

    def __str__(self) -> str:
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip or "*"
        return f"{host}:{self.host_port}/{self.protocol}"


def table(name: str, *, bridge: str, pod_network: Range, cluster_network: Range) -> str:
    """The whole table of the ranges' family, replacing what was there of it in the same transaction; the maps start empty."""
    family = _family(pod_network.version)
    here = f"{family} saddr {pod_network}"
    kind = "ipv4_addr" if family == "ip" else "ipv6_addr"
    guard, loopback = (_LOOPBACK_GUARD, _LOOPBACK_OUT) if family == "ip" else ("", "")
    return f"""\
table {family} {name} {{ }}
delete table {family} {name}
table {family} {name} {{
  map ports {{
    type {kind} . inet_proto . inet_service : {kind} . inet_service
  }}
  map ports_everywhere {{
    type inet_proto . inet_service : {kind} . inet_service
  }}
  set selves {{
    type {kind} . {kind}
  }}
  chain raw_prerouting {{
    type filter hook prerouting priority raw; policy accept;{guard.format(bridge=bridge)}
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }}
  chain publish {{
    dnat {family} to {family} daddr . meta l4proto . th dport map @ports
    dnat {family} to meta l4proto . th dport map @ports_everywhere
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;{loopback.format(bridge=bridge)}
    {family} saddr . {family} daddr @selves ct status dnat masquerade comment "a pod to itself by a published port"
    {here} {family} daddr != {cluster_network} oifname != "{bridge}" masquerade comment "pods to the outside"
  }}
}}
"""


_LOOPBACK_GUARD = """
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop comment "route_localnet must not open the host's loopback to pods\""""
_LOOPBACK_OUT = """
    ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade comment "loopback of the host to a published port\""""


def remove(name: str, version: int) -> str:
    family = _family(version)
    return f"table {family} {name} {{ }}\ndelete table {family} {name}\n"


def add_ports(name: str, address: IPv4Address | IPv6Address, ports: Iterable[PublishedPort]) -> str:
    """To the pod's address; ports that are published on an address of the other family are left out."""
    family = _family(address.version)
    return f"add element {family} {name} selves {{ {address} . {address} }}\n" + "".join(
        f"add element {family} {name} {_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}\n"
        for port in _of_family(ports, address.version)
    )


def forget_self(name: str, address: IPv4Address | IPv6Address) -> str:
    """Of a pod that has published ports."""
    return f"delete element {_family(address.version)} {name} selves {{ {address} . {address} }}\n"


def delete_ports(name: str, version: int, ports: Iterable[PublishedPort]) -> str:
    return "".join(
        f"delete element {_family(version)} {name} {_map(port)} {{ {_key(port)} }}\n"
        for port in _of_family(ports, version)
    )


def _of_family(ports: Iterable[PublishedPort], version: int) -> list[PublishedPort]:
    return [port for port in ports if not port.host_ip or ip_address(port.host_ip).version == version]


def _family(version: int) -> str:
    return "ip" if version == 4 else "ip6"


def _map(port: PublishedPort) -> str:
    return "ports" if port.host_ip else "ports_everywhere"


def _key(port: PublishedPort) -> str:
    key = f"{port.protocol} . {port.host_port}"
    return f"{port.host_ip} . {key}" if port.host_ip else key
