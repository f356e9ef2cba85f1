"""Keeps the kernel's service table as the cluster says (`service_rules`): a consumer of the cluster view.

What was programmed is remembered (`service_memory`) beside a number that the table itself holds too. An agent that
starts again and finds both alike goes on from there by differences, as if it had never been away; otherwise the table is
replaced in one transaction. Connections that exist are the kernel's and stay in either case.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import re
import secrets
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv6Network, ip_network
from types import MappingProxyType

from nodeagent import node_status
from nodeagent.cluster import ClusterView, Consumer, Key
from nodeagent.errors import AgentError
from nodeagent.network import (
    announce,
    conntrack,
    families,
    host_ports,
    nft,
    service_rules,
    service_state,
    service_table,
)
from nodeagent.network.errors import NetworkError
from nodeagent.network.families import V6, Family
from nodeagent.network.health_check import HealthChecks
from nodeagent.network.host_ports import PublishedPort
from nodeagent.network.netlink import Netlink
from nodeagent.network.service_memory import Memory, Remembered
from nodeagent.network.service_rules import Place
from nodeagent.network.service_state import Delta, Name, Program, State, Touched, UdpPort, Wanted
from nodeagent.network.service_table import EXTERNAL, NODE_PORTS, REFUSED_NODE_PORTS
from nodeagent.runtime import process
from nodeagent.settings import Settings
from schema.ranges import Range

log = logging.getLogger(__name__)

ZONE = "topology.kubernetes.io/zone"
_LABEL = "kubernetes.io/service-name"
_GENERATION = re.compile(r"elements = \{ (0x[0-9a-f]+|\d+)")

_NETLINK_NETFILTER, _NFNLGRP_NFTABLES = 12, 7
_DELTABLE = 10 << 8 | 2
"""NFNL_SUBSYS_NFTABLES and NFT_MSG_DELTABLE (linux/netfilter/nf_tables.h)."""
SETTLE_SECONDS = 0.1


class Services(Consumer):
    name = "services"
    kinds = frozenset({"Cluster", "Service", "EndpointSlice", "Node"})

    def __init__(self, settings: Settings) -> None:
        self._node = settings.node_name
        self._table = table_name(settings.instance)
        self._bridge = f"slip{settings.instance}"
        self._memory = Memory(settings.run_dir.absolute())
        self._allowed = parse_networks(settings.node_port_addresses)
        self._network = asyncio.Event()
        self._programming = asyncio.Lock()
        self._followed = False
        """The cluster's services have been worked out once."""
        self._base = ""
        self._families: set[Family] = set()
        """Of pods here."""
        self._view: ClusterView | None = None
        self._ready = False
        self._place = Place(settings.node_name)
        self._slices: dict[Name, Name] = {}
        """Service of each slice."""
        self._members: dict[Name, set[Name]] = {}
        """Slices of each service."""
        self._wanted = Wanted()
        self._state = State()
        """As the kernel has it."""
        self._number = 0
        """Of the table as we left it."""
        self._doubt = False
        self._resumed = False
        """The kernel's state is an earlier agent's: all of it is compared once."""
        self._announced: set[str] = set()
        self._routed: list[IPv6Network] = []
        """Ranges of services that are routed to the bridge."""
        self._health = HealthChecks(self._allowed)

    def start(
        self, pods: Sequence[Range], *, own: Sequence[Range], published: Mapping[str, Program] = MappingProxyType({})
    ) -> None:
        """The pod network is up: all ``pods``, and this node's ``own``. May be called again, with another. ``published`` are
        the ports of pods that are here already, by uid."""
        for uid, program in published.items():
            self._wanted.put(host_ports.owner(uid), program)
        self._families = {families.of(each.version) for each in pods}
        base = service_table.base(
            self._table, bridge=self._bridge, pods=pods, own=own, node_port_addresses=self._allowed
        )
        if base != self._base:
            self._base, self._ready, self._routed = base, False, []
            if self._view is not None:
                self._view.poke(self.name)
        self._network.set()

    # --- the cluster view ----------------------------------------------------------------------------------------

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        self._view = view
        await self._network.wait()
        concerned = self._concerned(view, changed)
        stale = [port for name in concerned for port in self._recompute(view, name)]
        if self._doubt:
            self._doubt = False
            async with self._programming:
                self._ready = self._ready and await self._generation() == self._number
        async with self._programming:
            if not self._ready:
                await self._resume()
            if not self._ready or not self._followed:
                stale = [port for program in self._wanted.programs.values() for port in program.udp]
            self._followed = True
            await self._program()
            await self._announce()
        await self._route(view)
        if stale:
            count = await asyncio.to_thread(conntrack.forget, stale)
            log.debug("%d UDP flows led to endpoints that are gone", count)
        await self._health.follow(
            {
                name: (one.health_port, one.local_endpoints)
                for name, one in self._wanted.programs.items()
                if one.health_port
            }
        )

    async def watch(self, poke: Callable[[], None]) -> None:
        """A reload of the host's firewall takes every table away: ours comes back at once."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_NETFILTER) as events:
            events.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
            while True:
                await process.readable(events.fileno())
                if _a_table_went(events):
                    await asyncio.sleep(SETTLE_SECONDS)
                    self._doubt = True
                    poke()

    def _concerned(self, view: ClusterView, changed: frozenset[Key]) -> set[Name]:
        """The services whose program may be another now."""
        concerned: set[Name] = set()
        for key in changed:
            name = (key.namespace, key.name)
            if key.kind == "Service":
                concerned.add(name)
            elif key.kind == "EndpointSlice":
                concerned |= self._moved(view, name)
        own = view.get("Node", "", self._node)
        place = Place(self._node, ((own or {}).get("metadata", {}).get("labels") or {}).get(ZONE, ""))
        if place != self._place:
            self._place = place
            concerned |= set(view.all("Service"))
        return concerned

    def _moved(self, view: ClusterView, name: Name) -> set[Name]:
        wire = view.get("EndpointSlice", *name)
        before = self._slices.pop(name, None)
        after = (name[0], wire["metadata"]["labels"][_LABEL]) if wire else None
        if before is not None:
            self._members[before].discard(name)
        if after is not None:
            self._slices[name] = after
            self._members.setdefault(after, set()).add(name)
        return {each for each in (before, after) if each is not None}

    def _recompute(self, view: ClusterView, name: Name) -> list[UdpPort]:
        """The UDP ports of which clients may have to be led elsewhere."""
        service = view.get("Service", *name)
        found = [view.get("EndpointSlice", *each) for each in sorted(self._members.get(name, ()))]
        program = service_rules.program(service, [each for each in found if each], self._place) if service else None
        before = self._wanted.put(name, program)
        if program is None:
            return [replace(port, endpoints=frozenset()) for port in before.udp]
        return [port for port in program.udp if port not in before.udp]

    # --- published ports ------------------------------------------------------------------------------------------

    async def publish(self, pod_uid: str, program: Program | None) -> None:
        """The pod's ports answer when this returns; None: no longer. Before the services are known, nothing of theirs is
        touched."""
        async with self._programming:
            before = self._wanted.put(host_ports.owner(pod_uid), program)
            if not self._ready:
                await self._resume()
            try:
                await self._program()
            except NetworkError:
                if self._view is not None:
                    self._view.poke(self.name)
                raise
        gone = [replace(port, endpoints=frozenset()) for port in before.udp]
        if stale := [*gone, *(program.udp if program else ())]:
            await asyncio.to_thread(conntrack.forget, stale)

    def holder(self, port: PublishedPort) -> str | None:
        """The service, as ``namespace/name``, that has the port at an address of this node where it would be published."""
        hosts = [port.host_ip] if port.host_ip else ["127.0.0.1", *node_status.addresses()]
        for host in hosts:
            family = families.of(6 if ":" in host else 4)
            key = f"{port.protocol} . {port.host_port}"
            for where, at in ((NODE_PORTS, key), (REFUSED_NODE_PORTS, key), (EXTERNAL, f"{host} . {key}")):
                if (name := self._wanted.owner((family.name(where), at))) is not None:
                    return "/".join(name)
        return None

    # --- the kernel ----------------------------------------------------------------------------------------------

    async def _resume(self) -> None:
        """Go on from what the kernel has, if it is what we remember; else begin with an empty table."""
        remembered = await asyncio.to_thread(self._memory.load)
        self._state = State()
        if remembered is None:
            return
        self._announced = set(remembered.announced)
        if remembered.base == self._base and remembered.generation == await self._generation():
            self._state, self._number = remembered.state, remembered.generation
            self._ready = self._resumed = True

    async def _generation(self) -> int | None:
        """The number in the table; None where there is no table."""
        with contextlib.suppress(AgentError):
            code, text = await process.run(["nft", "list", "set", "inet", self._table, "generation"])
            if code == 0 and (found := _GENERATION.search(text)):
                return int(found[1], 0)
        return None

    async def _program(self) -> None:
        touched, generation = self._wanted.touched, secrets.randbelow(2**32 - 1) + 1
        fresh = not self._ready
        # Before the services are known, what an earlier agent has left of them is not theirs to be compared with.
        everything = (self._resumed or fresh) and self._followed
        change = service_state.delta(self._state, self._wanted.state, None if everything else touched)
        if not change and not fresh:
            self._wanted.touched, self._resumed = Touched(), self._resumed and not self._followed
            return
        text = service_state.script(self._table, self._state, change, generation=generation)
        try:
            await nft.run((self._base if fresh else "") + text)
        except AgentError as error:
            self._ready = False  # whatever the kernel has now: begin anew with the next attempt
            self._memory.forget()
            raise NetworkError(f"services cannot be programmed: {error}") from error
        self._state.update(change)
        self._ready, self._resumed, self._number = True, self._resumed and not self._followed, generation
        self._wanted.touched = Touched()
        await asyncio.to_thread(self._remember, change, fresh)

    def _remember(self, change: Delta, fresh: bool) -> None:
        if fresh or self._memory.is_long:
            self._memory.save(Remembered(self._base, self._number, self._state, frozenset(self._announced)))
        else:
            self._memory.append(self._number, change)

    async def _route(self, view: ClusterView) -> None:
        """A host without a default route of IPv6 could not even begin to send to a service: a route leads to the bridge, and
        the table elsewhere before anything is sent. Pods have the node for their default route."""
        cluster = view.get("Cluster", "", "cluster") or {}
        ranges = parse_networks((cluster.get("spec") or {}).get("serviceNetwork") or "")
        wanted = [each for each in ranges if isinstance(each, IPv6Network)]
        if wanted != self._routed and V6 in self._families:
            await asyncio.to_thread(_route_to, self._bridge, wanted)
            self._routed = wanted

    async def _announce(self) -> None:
        wanted = {address for program in self._wanted.programs.values() for address in program.announced}
        if not wanted and not self._announced:
            return
        taken = await asyncio.to_thread(announce.ensure, wanted, kept=self._announced, but=[self._bridge])
        if taken != self._announced:
            self._announced = taken
            await asyncio.to_thread(self._remember, Delta(), True)

    async def close(self) -> None:
        await self._health.close()

    async def remove_everything(self) -> None:
        remembered = await asyncio.to_thread(self._memory.load)
        if remembered is not None and remembered.announced:
            await asyncio.to_thread(announce.ensure, (), kept=remembered.announced)
        await nft.run(service_table.remove(self._table))
        self._memory.forget()


def _route_to(device: str, networks: Sequence[IPv6Network]) -> None:
    with Netlink() as host:
        link = host.link(device)
        if link is None:
            return
        try:
            for network in networks:
                host.replace_link_route(network, link.index)
        except OSError as error:
            raise NetworkError(f"services of IPv6 cannot be routed to {device}: {error.strerror}") from error


def table_name(instance: str) -> str:
    return f"slipway-{instance}-services"


def parse_networks(text: str) -> list[Range]:
    """``192.168.0.0/16,127.0.0.0/8,fd00::/8``. Raises ValueError."""
    return [ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()]


def _a_table_went(events: socket.socket) -> bool:
    """Reads all that waits: netlink messages, each with its length and type in front."""
    went = False
    while True:
        try:
            data = events.recv(65536)
        except BlockingIOError:
            return went
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return True  # more than the kernel could keep for us: look
        at = 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            went |= kind == _DELTABLE
            at += max(16, (length + 3) & ~3)
