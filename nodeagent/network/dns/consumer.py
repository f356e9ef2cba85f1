"""DNS as a consumer of the cluster view: what changes is told to the DNS process within milliseconds (`link`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from pathlib import Path

from nodeagent.cluster import ClusterView, Key
from nodeagent.network import nft
from nodeagent.network.dns import zone
from nodeagent.network.dns.link import Link
from nodeagent.network.dns.messages import Configuration
from nodeagent.network.dns.server import PORT
from nodeagent.settings import Settings

log = logging.getLogger(__name__)

RESTART_SECONDS = 0.5


class Dns:
    name = "dns"
    kinds = zone.KINDS | {"Cluster"}

    def __init__(self, settings: Settings, *, resolv_conf: Path = Path("/etc/resolv.conf"), port: int = PORT) -> None:
        self._node = settings.node_name
        self._table = table_name(settings.instance)
        self._bridge = f"slip{settings.instance}"
        self._resolv_conf = resolv_conf
        self._port = port
        self._guarded: list[str] = []
        self.link = link(settings)

    async def watch(self, poke: Callable[[], None]) -> None:
        """A process that ends is started again."""
        while True:
            await self.link.connected.wait()
            await self.link.lost.wait()
            log.warning("the DNS process does not speak any more; it is asked or started again")
            poke()
            await asyncio.sleep(RESTART_SECONDS)

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        addresses = own_addresses(view, self._node)
        if not addresses and self.link.lost.is_set():
            return
        if addresses and addresses != self._guarded:
            await nft.run(guard(self._table, bridge=self._bridge, addresses=addresses))
            self._guarded = addresses
        configuration = Configuration(tuple(addresses), view.domain(), str(self._resolv_conf), self._port)
        await self.link.tell(configuration, view, changed)

    async def close(self) -> None:
        """Let go of the process: it goes on."""
        await self.link.close()


def link(settings: Settings) -> Link:
    return Link(settings.run_dir.absolute() / "dns", cgroup=f"/{settings.cgroup_parent}/dns")


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
    """Only pods and the host itself are answered; and while nobody answers, a resolver is left to ask again.

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
