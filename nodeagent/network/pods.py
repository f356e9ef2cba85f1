"""The real `facilities.Network`: a bridge, a namespace per pod, source NAT and published ports.

On disk: ``<home>/network/addresses/`` (`addresses`); ``<run>/pods/<uid>/`` with ``ns/{net,ipc,uts}`` (pins), ``etc/``
(files mounted into the containers), ``shm/`` (the pod's /dev/shm) and ``sandbox.json``, written last: a pod without it
is half made and is made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from pathlib import Path

from nodeagent import tasks
from nodeagent.errors import AgentError, HostConflict
from nodeagent.facilities import DEFAULT_DOMAIN, Mount, Sandbox
from nodeagent.network import (
    bandwidth,
    bridge,
    encryption,
    files,
    host_ports,
    namespaces,
    pod_files,
    pod_state,
    policies,
    rules,
    shortcut,
    spoofing,
    wireguard,
    wiring,
)
from nodeagent.network.addresses import Addresses
from nodeagent.network.bridge import Bridge
from nodeagent.network.dns import consumer
from nodeagent.network.errors import NetworkError
from nodeagent.network.host_ports import PublishedPort
from nodeagent.network.nft import Nft
from nodeagent.network.overlay import Overlay, device_name
from nodeagent.network.pod_state import PodState, hardware_address, veth_name
from nodeagent.network.policies import Policies
from nodeagent.network.services import Services
from nodeagent.network.shortcut import Shortcut
from nodeagent.network.topology import VXLAN_OVERHEAD, Mode
from nodeagent.settings import Settings
from schema.bandwidth import Limits
from schema.bandwidth import limits as limits_of
from schema.core.pod import Pod
from schema.quantity import QuantityError


@dataclass(frozen=True)
class _Node:
    """What is known once the ranges are."""

    bridge: Bridge
    pools: Sequence[Addresses]
    """One of each family, the preferred first."""


class BridgeNetwork:
    def __init__(
        self, settings: Settings, *, policies: Policies | None = None, shortcut: Shortcut | None = None
    ) -> None:
        """``shortcut``: which the policies know too."""
        self._home = settings.home.absolute() / "network"
        self._pods = settings.run_dir.absolute() / "pods"
        self._instance = settings.instance
        self._bridge_name = f"slip{settings.instance}"
        self._table = f"slipway-{settings.instance}"
        self._policies = policies
        self._shortcut = shortcut or Shortcut()
        if policies is None:
            self._shortcut.hold(())
        self._encrypts = settings.encryption == encryption.Encryption.WIREGUARD
        plain = 0 if settings.overlay == Mode.DIRECT else VXLAN_OVERHEAD
        self._overhead = encryption.OVERHEAD if self._encrypts else plain
        self._overlay = Overlay(settings)
        names = [wireguard.device_name(settings.instance, slot) for slot in encryption.SLOTS]
        self._tunnels = frozenset({device_name(settings.instance), *names})
        self._node: _Node | None = None
        self._ports: dict[str, tuple[PublishedPort, ...]] = {}
        """Published ports by pod uid."""
        self._nft = Nft()
        self.services = Services(settings)

    # --- the node ------------------------------------------------------------------------------------------------

    async def start(self, *, pod_cidrs: Sequence[str], cluster_cidrs: Sequence[str]) -> None:
        if self._encrypts:
            await asyncio.to_thread(wireguard.require, self._instance)
        networks = [ip_network(each) for each in pod_cidrs]
        clusters = {network.version: network for network in map(ip_network, cluster_cidrs)}
        made = await asyncio.to_thread(
            bridge.ensure, self._bridge_name, networks, overhead=self._overhead, tunnels=self._tunnels
        )
        directory = self._home / "addresses"
        self._node = _Node(made, [await asyncio.to_thread(Addresses, directory, network) for network in networks])
        table = "".join(
            rules.table(
                self._table,
                bridge=self._bridge_name,
                pod_network=network,
                cluster_network=clusters.get(network.version, network),
            )
            for network in networks
        )
        here = dict(pod_state.of_node(self._pods))
        self._ports = {uid: state.ports for uid, state in here.items() if state.ports}
        identities = {veth_name(uid): state.identity(uid) for uid, state in here.items() if "net" in state.kinds}
        await self._nft(table + spoofing.table(self._table, identities))
        await asyncio.to_thread(self._shorten, made)
        published = {uid: here[uid].program for uid in self._ports if uid in here}  # which may be fewer by now
        self.services.start(list(clusters.values()), own=networks, published=published)

    def _shorten(self, made: Bridge) -> None:
        """The pods that are here already: with programs of ours in the place of an earlier agent's."""
        self._shortcut.open(shortcut.Device(made.index, made.hardware))
        with wiring.Wire() as host:
            for uid, state in pod_state.of_node(self._pods):
                if "net" in state.kinds and state.unlimited:
                    identity = state.identity(uid)
                    self._shortcut.adopt(host, veth_name(uid), identity.hardware, identity.addresses)

    async def close(self) -> None:
        await self.services.close()
        self._shortcut.close()

    async def remove_everything(self) -> None:
        """Take away the bridge, the table and every pod's namespaces: nothing of this instance is left on the host."""
        await self.collect(set())
        await self._nft(rules.remove(self._table, 4) + consumer.remove(self._instance))
        await self._nft(encryption.remove(self._instance))
        if bridge.has_ipv6():
            await self._nft(rules.remove(self._table, 6))
        await self._nft(policies.remove(self._instance) + spoofing.remove(self._table))
        await self.services.remove_everything()
        await asyncio.to_thread(self._overlay.remove)
        await asyncio.to_thread(bridge.remove, self._bridge_name)
        await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)

    # --- pods ----------------------------------------------------------------------------------------------------

    async def create(self, pod: Pod, *, hostname: str, domain: str = DEFAULT_DOMAIN) -> Sandbox:
        uid = pod.metadata.uid or ""
        directory = self._pods / uid
        kinds = frozenset({"ipc"} if pod.spec.host_network else {"net", "ipc", "uts"})
        if pod.spec.host_ipc:
            kinds -= {"ipc"}
        state = pod_state.load(directory / pod_state.FILE)
        if state is None or not namespaces.are_pinned(directory / "ns", state.kinds):
            await self._discard(uid, state)
            try:
                state = await self._make(pod, directory, self._names(hostname, domain), kinds)
            except BaseException:
                await asyncio.shield(self._discard(uid, None))
                raise
        return await asyncio.to_thread(self._sandbox, pod, directory, state)

    async def _make(self, pod: Pod, directory: Path, names: files.Names, kinds: frozenset[str]) -> PodState:
        uid = pod.metadata.uid or ""
        ports = host_ports.of_pod(pod)
        self._claim_ports(uid, ports)
        limits = _limits(pod)
        inside = self._inside(uid, limits) if "net" in kinds else None
        own = tuple(map(str, inside.addresses)) if inside else ()
        state = PodState(own, ports, kinds, limits == Limits())
        if self._policies is not None and inside is not None:
            await self._policies.admit(pod, state.addresses)
        await tasks.whole(lambda: pod_files.prepare(pod, directory, state.addresses, names))
        try:
            if inside is not None:  # first: not even its first packet may be another's
                await self._nft(spoofing.admit(self._table, inside.veth, state.identity(uid)))
            if kinds:
                await namespaces.create(directory / "ns", hostname=names.host, kinds=kinds, inside=inside)
        except OSError as error:
            raise NetworkError(f"cannot make the pod's namespaces: {error.strerror}") from error
        if inside is not None:
            await self._limit_or_enter(uid, state, limits, inside)
        if ports and inside is not None:
            await self.services.publish(uid, state.program)
        await tasks.whole(lambda: pod_state.save(directory / pod_state.FILE, state))
        return state

    async def _limit_or_enter(self, uid: str, state: PodState, limits: Limits, inside: namespaces.Inside) -> None:
        if limits != Limits():
            await asyncio.to_thread(bandwidth.limit, inside.veth, limits, instance=self._instance, mtu=inside.mtu)
        elif inside.programs is not None:
            identity = state.identity(uid)
            self._shortcut.enter(inside.veth, identity.hardware, identity.addresses)

    def _names(self, hostname: str, domain: str) -> files.Names:
        servers = [str(pool.gateway) for pool in self._node.pools] if self._node else []
        return files.Names(hostname, files.ClusterNames(servers, domain))

    def _inside(self, uid: str, limits: Limits) -> namespaces.Inside:
        if self._node is None:
            raise NetworkError("the node has no pod range yet: it gets one from the control plane")
        made = self._node.bridge
        return namespaces.Inside(
            addresses=[ip_interface(pool.allocate(uid)) for pool in self._node.pools],
            gateways=[pool.gateway for pool in self._node.pools],
            bridge_index=made.index,
            veth=veth_name(uid),
            hardware=hardware_address(uid),
            mtu=made.mtu,
            programs=self._shortcut.programs if limits == Limits() else None,
        )

    def _claim_ports(self, uid: str, ports: tuple[PublishedPort, ...]) -> None:
        """Raises `HostConflict` when one is somebody else's."""
        host_ports.check_free(uid, ports, self._ports)
        for port in ports:
            if service := self.services.holder(port):
                raise HostConflict(f"hostPort {port} is a port of the service {service} at this node")
        if ports:
            self._ports[uid] = ports

    def _sandbox(self, pod: Pod, directory: Path, state: PodState) -> Sandbox:
        def pin(kind: str) -> Path | None:
            return directory / "ns" / kind if kind in state.kinds else None

        etc = directory / "etc"
        shm = Path("/dev/shm") if pod.spec.host_ipc else directory / "shm"  # noqa: S108
        return Sandbox(
            pod_uid=directory.name,
            network=pin("net"),
            ipc=pin("ipc"),
            uts=pin("uts"),
            addresses=state.addresses or bridge.node_addresses(),
            mounts=(
                *(Mount(etc / name, f"/etc/{name}") for name in ("hosts", "resolv.conf", "hostname")),
                Mount(shm, "/dev/shm"),  # noqa: S108
            ),
        )

    async def delete(self, pod_uid: str) -> None:
        await self._discard(pod_uid, pod_state.load(self._pods / pod_uid / pod_state.FILE))

    async def _discard(self, uid: str, state: PodState | None) -> None:
        """Undo everything that `create` may have done for the pod, from the outside inwards."""
        self._shortcut.forget(veth_name(uid))
        if (state and state.ports) or uid in self._ports:
            with contextlib.suppress(AgentError):  # it is asked for again with the next change of anything
                await self.services.publish(uid, None)
        with contextlib.suppress(AgentError):  # what is left of it holds back only an interface that there is no more
            await self._nft(spoofing.forget(self._table, veth_name(uid)))
        self._ports.pop(uid, None)
        if self._policies is not None:
            self._policies.forget(uid)
        directory = self._pods / uid
        await asyncio.to_thread(pod_files.remove, directory)
        await asyncio.to_thread(bandwidth.release, veth_name(uid))
        for pool in self._node.pools if self._node else ():
            pool.release(uid)

    async def collect(self, in_use: set[str]) -> None:
        found = {path.name for path in self._pods.iterdir()} if self._pods.exists() else set()
        owners = {owner for pool in (self._node.pools if self._node else ()) for owner in pool.owners()}
        for uid in sorted((found | owners) - in_use):
            await self.delete(uid)
        expected = {veth_name(uid) for uid in in_use}
        for name in await asyncio.to_thread(bridge.ports_of, self._bridge_name):
            if name not in expected:
                await asyncio.to_thread(bridge.delete_link, name)
        await asyncio.to_thread(bandwidth.collect, self._instance, expected)


def _limits(pod: Pod) -> Limits:
    try:
        return limits_of(pod.metadata.annotations)
    except QuantityError as error:
        raise NetworkError(f"the pod's bandwidth annotation: {error}") from error
