"""The way to other nodes' pods, kept as `topology` decides it: routes, and a VXLAN device where packets must be wrapped.

What is here is compared with the kernel's own tables at every pass, so whatever somebody took away comes back: a pass runs
when the nodes of the cluster change, and when the kernel tells that a route or a device went. Routes of ours are known by
their protocol number and by a metric that follows from the agent's home, so several agents on one host keep theirs apart.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface

from nodeagent import node_status
from nodeagent.cluster import ClusterView, Consumer, Key
from nodeagent.errors import HostConflict
from nodeagent.network import encryption, nft, sysctl, topology, wireguard
from nodeagent.network.encrypted import EncryptedWay, networks_of, refuse_plain, tick
from nodeagent.network.encryption import Encryption
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Neighbour, Netlink, OwnRoute, Route, Route6
from nodeagent.network.topology import Mode, Peer, Peer6
from nodeagent.runtime import process
from nodeagent.settings import Settings
from schema import ranges
from schema.base import Wire
from schema.ranges import Range

log = logging.getLogger(__name__)

PORT = 4789
"""IANA's for VXLAN."""
SETTLE_SECONDS = 0.2
"""Changes of the kernel's tables come in bursts."""
_RTMGRP_LINK, _RTMGRP_IPV4_ROUTE, _RTMGRP_IPV6_ROUTE = 0x1, 0x40, 0x400
_RTM_DELLINK, _RTM_DELROUTE = 17, 25


class Overlay(Consumer):
    """A consumer of the cluster view."""

    name = "overlay"
    kinds = frozenset({"Cluster", "Node"})

    def __init__(
        self,
        settings: Settings,
        *,
        addresses: Callable[[], list[str]] = node_status.addresses,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._node = settings.node_name
        self._mode = Mode(settings.overlay)
        self._port = settings.vxlan_port
        self._addresses = addresses
        self._device = device_name(settings.instance)
        self._metric = metric(settings.instance)
        self._instance = settings.instance
        self.encrypted = EncryptedWay(settings, clock=clock) if settings.encryption == Encryption.WIREGUARD else None
        self._guarded = ""

    async def apply(self, view: ClusterView, changed: frozenset[Key]) -> None:
        own = view.get("Node", "", self._node)
        cluster = view.get("Cluster", "", "cluster")
        network = topology.pod_network(own) or topology.pod_network6(own) if own else None
        if own is None or network is None or cluster is None:
            return
        nodes = list(view.all("Node").values())
        if self.encrypted is not None:
            guard = self.encrypted.guard(networks_of(cluster["spec"]["podNetwork"]))
            await self._guard(guard)  # first: nothing leaves in the clear while the rest is made
            await asyncio.to_thread(self._apply_encrypted, self.encrypted, own, nodes)
        else:
            await self._guard(encryption.remove(self._instance))
            await asyncio.to_thread(self._apply, network, nodes, int(cluster["spec"]["vni"]))

    async def _guard(self, text: str) -> None:
        if text == self._guarded and self.encrypted is None:
            return  # where packets are encrypted it is made at every pass: somebody may have taken it away
        await nft.run(text)
        self._guarded = text

    def _apply_encrypted(self, way: EncryptedWay, own: Wire, nodes: list[Wire]) -> None:
        try:
            with Netlink() as host:
                underlay, _ = self._underlay(host)
                mtu = next(link.mtu for link in host.links() if link.index == underlay) - encryption.OVERHEAD
                networks = [each for each in (topology.pod_network(own), topology.pod_network6(own)) if each]
                found = encryption.members(nodes, own_name=self._node).encrypting
                claimed = [(member.name, network) for member in found for network in member.networks]
                _check_conflicts(host, claimed, self._metric, {self._device, *way.devices})
                self._routes(host, way.apply(host, networks, nodes, mtu=mtu))
                self._no_tunnel(host)
        except OSError as error:
            raise NetworkError(f"cannot set up the encrypted way to other nodes: {error.strerror}") from error

    def _apply(self, network: Range, nodes: list[Wire], vni: int) -> None:
        try:
            with Netlink() as host:
                wireguard.remove(host, self._instance)
                index, own = self._underlay(host)
                plain = [node for node in nodes if not encryption.announced(node)]
                peers = topology.peers(plain, own_name=self._node, own=own, mode=self._mode)
                index6, own6 = self._underlay6(host)
                peers6 = topology.peers6(plain, own_name=self._node, own=own6, mode=self._mode)
                every: list[Peer | Peer6] = [*peers, *peers6]
                _check_conflicts(host, [(peer.name, peer.pod_network) for peer in every], self._metric, {self._device})
                tunnelled = [peer for peer in every if not peer.direct]
                tunnel = self._tunnel(host, network, own, vni, index) if tunnelled else self._no_tunnel(host)
                self._routes(host, {*_routes(peers, index, tunnel), *_routes6(peers6, index6, tunnel)})
                if tunnel:
                    self._entries(host, tunnelled, tunnel)
            refuse_plain(nodes, self._node)
        except OSError as error:
            raise NetworkError(f"cannot set up the way to other nodes' pods: {error.strerror}") from error

    def _underlay(self, host: Netlink) -> tuple[int, IPv4Interface]:
        """The link by which other nodes reach this one, and its address."""
        interfaces: defaultdict[int, list[IPv4Interface]] = defaultdict(list)
        for index, interface in host.addresses():
            interfaces[index].append(interface)
        for text in self._addresses():
            with contextlib.suppress(ValueError):
                found = topology.interface_of(IPv4Address(text), interfaces)
                if found is not None:
                    return found
        raise NetworkError("this host has no IPv4 address that other nodes could reach")

    def _underlay6(self, host: Netlink) -> tuple[int, IPv6Interface | None]:
        """As `_underlay`; a node need not have an address of IPv6."""
        own = set(self._addresses())
        return next(((index, held) for index, held in host.addresses6() if str(held.ip) in own), (0, None))

    def _tunnel(self, host: Netlink, network: Range, own: IPv4Interface, vni: int, underlay: int) -> int:
        """The VXLAN device as it should be; made anew where it differs in what cannot be changed."""
        mtu = next(link.mtu for link in host.links() if link.index == underlay) - topology.VXLAN_OVERHEAD
        wanted = (vni, str(own.ip), self._port)
        link = host.link(self._device)
        if link is not None and host.vxlan(self._device) != wanted:
            host.delete(link.index)
            link = None
        if link is None:
            host.add_vxlan(self._device, vni=vni, local=own.ip, port=self._port, mtu=mtu)
            link = host.link(self._device)
            assert link is not None  # noqa: S101
        host.set_hardware_address(link.index, bytes.fromhex(topology.hardware_address(network).replace(":", "")))
        if isinstance(network, IPv4Network):
            host.add_address(link.index, IPv4Interface((network.network_address, 32)))
        sysctl.put(f"net/ipv6/conf/{self._device}/accept_ra", "0")
        host.set_up(link.index, mtu=mtu)
        return link.index

    def _no_tunnel(self, host: Netlink) -> int:
        link = host.link(self._device)
        if link is not None:
            host.delete(link.index)
        return 0

    def _routes(self, host: Netlink, wanted: set[OwnRoute]) -> None:
        present = host.own_routes(self._metric)
        # First in, then out: a way that changes is never missing in between.
        for route in present - wanted:
            if not any(route.destination == other.destination for other in wanted):
                host.delete_own_route(route, self._metric)
        for route in wanted - present:
            host.replace_own_route(route, self._metric)

    def _entries(self, host: Netlink, peers: Iterable[Peer | Peer6], tunnel: int) -> None:
        neighbours = {Neighbour(str(peer.tunnel_address), peer.hardware_address) for peer in peers}
        forwarding = {Neighbour(str(peer.address), peer.hardware_address) for peer in peers}
        present = host.neighbours(tunnel)
        for entry in present - neighbours:
            host.delete_neighbour(tunnel, entry)
        for entry in neighbours - present:
            host.replace_neighbour(tunnel, entry)
        known = host.forwarding(tunnel)
        for entry in known - forwarding:
            host.delete_forwarding(tunnel, entry)
        for entry in forwarding - known:
            host.add_forwarding(tunnel, entry)

    async def watch(self, poke: Callable[[], None]) -> None:
        """Calls ``poke`` when a device or route of this host went, and where keys are exchanged now and then, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_kernel(poke))
            if self.encrypted is not None:
                group.create_task(tick(poke))

    async def _watch_kernel(self, poke: Callable[[], None]) -> None:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as events:
            events.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_ROUTE | _RTMGRP_IPV6_ROUTE))
            while True:
                await process.readable(events.fileno())
                if _something_went(events):
                    await asyncio.sleep(SETTLE_SECONDS)
                    _something_went(events)
                    poke()

    def remove(self) -> None:
        """Take everything of it off the host. Blocking."""
        with Netlink() as host:
            for route in host.own_routes(self._metric):
                host.delete_own_route(route, self._metric)
            self._no_tunnel(host)
            wireguard.remove(host, self._instance)


def _routes(peers: Iterable[Peer], underlay: int, tunnel: int) -> set[OwnRoute]:
    return {
        OwnRoute(peer.pod_network, peer.address, underlay)
        if peer.direct
        else OwnRoute(peer.pod_network, peer.tunnel_address, tunnel)
        for peer in peers
    }


def _routes6(peers: Iterable[Peer6], underlay: int, tunnel: int) -> set[OwnRoute]:
    return {
        OwnRoute(peer.pod_network, peer.direct, underlay)
        if peer.direct
        else OwnRoute(peer.pod_network, peer.tunnel_address, tunnel)
        for peer in peers
    }


def device_name(instance: str) -> str:
    return f"slvx{instance}"


def metric(instance: str) -> int:
    """Of the routes of one agent: its mark, since several may stand on one host."""
    return 20_000 + int.from_bytes(hashlib.sha256(instance.encode()).digest()[:2]) % 40_000


def _something_went(events: socket.socket) -> bool:
    """Reads all that is there. A full buffer says that much was lost: then something may have gone."""
    went = False
    while True:
        try:
            data = events.recv(65536)
        except BlockingIOError:
            return went
        except OSError as error:
            log.debug("netlink: %s", os.strerror(error.errno or 0))
            return True
        while len(data) >= 16:
            length, kind = struct.unpack_from("=IH", data)
            went |= kind in (_RTM_DELLINK, _RTM_DELROUTE)
            data = data[max((length + 3) & ~3, 16) :]


def _check_conflicts(
    host: Netlink, pod_networks: Iterable[tuple[str, Range]], own_metric: int, devices: Collection[str]
) -> None:
    """``pod_networks``: of other nodes, with the node's name. ``devices``: our own ways to them."""
    names = {link.index: link.name for link in host.links()}
    ours = {route.destination for route in host.own_routes(own_metric)}
    present: list[Route | Route6] = [*host.routes(), *host.routes6()]
    foreign = [route for route in present if names.get(route.device) not in devices and route.destination not in ours]
    for name, pod_network in pod_networks:
        for route in foreign:
            if ranges.contains(pod_network, route.destination):
                where = names.get(route.device, str(route.device))
                raise HostConflict(
                    f"the pod range {pod_network} of node {name} overlaps this host's route {route.destination} "
                    f"on {where}: remove the route or choose another range with SLIPWAY_POD_NETWORK"
                )
