"""DNS as a consumer of the cluster view: the zone follows it within milliseconds, and is there again after a restart of the
agent, because the view is kept in the checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from pathlib import Path

from nodeagent.cluster import ClusterView, Key
from nodeagent.network.dns import zone
from nodeagent.network.dns.server import PORT, Server
from nodeagent.network.dns.upstream import Resolvers, Upstream
from nodeagent.network.dns.zone import Zone
from nodeagent.network.errors import NetworkError
from nodeagent.runtime import process
from nodeagent.settings import Settings

log = logging.getLogger(__name__)


class Dns:
    name = "dns"
    kinds = zone.KINDS | {"Cluster"}

    def __init__(self, settings: Settings, *, resolv_conf: Path = Path("/etc/resolv.conf"), port: int = PORT) -> None:
        self._node = settings.node_name
        self._table = table_name(settings.instance)
        self._bridge = f"slip{settings.instance}"
        self._resolv_conf = resolv_conf
        self._addresses: list[str] = []
        self._domain = ""
        self._zone = Zone()
        self.server = Server(self._zone, Upstream(list), port=port)

    async def watch(self, poke: Callable[[], None]) -> None:
        """Nothing of the host takes away a socket that is open."""

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        addresses, domain = own_addresses(view, self._node), view.domain()
        if (addresses, domain) == (self._addresses, self._domain):
            self._zone.apply(view, changed)
            self.server.zone_changed()
        else:
            await self._begin(view, addresses, domain)
        await self.server.listen(addresses)

    async def _begin(self, view: ClusterView, addresses: list[str], domain: str) -> None:
        """Everything anew: the node has got its addresses, or others."""
        if addresses:
            await self._nft(guard(self._table, bridge=self._bridge, addresses=addresses))
        made = Zone(domain, addresses=addresses)
        made.apply(view, [Key(kind, *name) for kind in zone.KINDS for name in view.all(kind)])
        self._zone = made
        self.server.replace(made, Upstream(Resolvers(self._resolv_conf, own=addresses)))
        self._addresses, self._domain = addresses, domain

    async def _nft(self, text: str) -> None:
        code, output = await process.run(["nft", "-f", "-"], input_=text.encode())
        if code != 0:
            raise NetworkError(f"nft: {' '.join(output.split())}")

    async def close(self) -> None:
        await self.server.close()


def own_addresses(view: ClusterView, node: str) -> list[str]:
    """Where the node answers: the first address of each of its ranges, which is the bridge's."""
    wire = view.get("Node", "", node) or {}
    spec = wire.get("spec") or {}
    ranges = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return [str(ip_network(text)[1]) for text in ranges]


# --- the guard ---------------------------------------------------------------------------------------------------


def table_name(instance: str) -> str:
    return f"slipway-{instance}-dns"


def guard(table: str, *, bridge: str, addresses: Sequence[str]) -> str:
    """Only pods and the host itself are answered; and while the agent restarts, a resolver is left to ask again.

    Without the second rule the kernel tells at once that nobody listens, and a look-up fails that would have succeeded at its
    next try.
    """
    foreign, absent = [], []
    for address in addresses:
        family, icmp = ("ip6", "icmpv6") if ":" in address else ("ip", "icmp")
        foreign.append(
            f'{family} daddr {address} meta l4proto {{ tcp, udp }} th dport 53 iifname != {{ "lo", "{bridge}" }} drop'
        )
        unreachable = f"{icmp} type destination-unreachable {icmp} code port-unreachable"
        absent.append(f'{family} saddr {address} oifname "{bridge}" {unreachable} drop')
    lines = "\n    ".join
    return f"""\
table inet {table} {{ }}
delete table inet {table}
table inet {table} {{
  chain input {{
    type filter hook input priority filter; policy accept;
    {lines(foreign)}
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    {lines(absent)}
  }}
}}
"""


def remove(instance: str) -> str:
    table = table_name(instance)
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"
