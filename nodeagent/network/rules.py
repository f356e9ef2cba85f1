"""The nftables table of an instance, as text for ``nft -f``. Pure.

One table holds everything, so that removing it removes everything. Published ports are elements of two maps: a packet
costs one hash lookup per map however many ports there are, and a pod's ports come and go without touching the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


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
        return f"{self.host_ip or '*'}:{self.host_port}/{self.protocol}"


def table(name: str, *, bridge: str, pod_network: IPv4Network, cluster_network: IPv4Network) -> str:
    """The whole table, replacing what was there of it in the same transaction; the maps start empty."""
    return f"""\
table ip {name} {{ }}
delete table ip {name}
table ip {name} {{
  map ports {{
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
  }}
  map ports_everywhere {{
    type inet_proto . inet_service : ipv4_addr . inet_service
  }}
  set selves {{
    type ipv4_addr . ipv4_addr
  }}
  chain raw_prerouting {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop comment "route_localnet must not open the host's loopback to pods"
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
    dnat ip to ip daddr . meta l4proto . th dport map @ports
    dnat ip to meta l4proto . th dport map @ports_everywhere
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade comment "loopback of the host to a published port"
    ip saddr . ip daddr @selves ct status dnat masquerade comment "a pod to itself by a published port"
    ip saddr {pod_network} ip daddr != {cluster_network} oifname != "{bridge}" masquerade comment "pods to the outside"
  }}
}}
"""


def remove(name: str) -> str:
    return f"table ip {name} {{ }}\ndelete table ip {name}\n"


def add_ports(name: str, address: IPv4Address, ports: Iterable[PublishedPort]) -> str:
    return f"add element ip {name} selves {{ {address} . {address} }}\n" + "".join(
        f"add element ip {name} {_map(port)} {{ {_key(port)} : {address} . {port.container_port} }}\n" for port in ports
    )


def forget_self(name: str, address: IPv4Address) -> str:
    """Of a pod that has published ports."""
    return f"delete element ip {name} selves {{ {address} . {address} }}\n"


def delete_ports(name: str, ports: Iterable[PublishedPort]) -> str:
    return "".join(f"delete element ip {name} {_map(port)} {{ {_key(port)} }}\n" for port in ports)


def _map(port: PublishedPort) -> str:
    return "ports" if port.host_ip else "ports_everywhere"


def _key(port: PublishedPort) -> str:
    key = f"{port.protocol} . {port.host_port}"
    return f"{port.host_ip} . {key}" if port.host_ip else key
