"""The way to other nodes' pods where packets between nodes are encrypted: `encryption` decides, `wireguard` does.

There is no other way then: no plain route, no VXLAN, and a guard that drops what would pass in the clear. A node that does not
say a key is not reached, and the condition `EncryptionIncomplete` names it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

from nodeagent.errors import AgentError
from nodeagent.network import encryption, wireguard
from nodeagent.network.encryption import SLOTS
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Link, Netlink, OwnRoute
from nodeagent.network.wireguard import Device, KeyFile, Keys
from nodeagent.settings import Settings
from schema.base import Wire
from schema.ranges import Range

TICK_SECONDS = 10.0
"""How often handshakes and the time are looked at: neither tells by itself."""


@dataclass(frozen=True)
class Report:
    """What the node says of itself."""

    keys: Sequence[Wire] = ()
    problem: str = ""
    message: str = ""


class EncryptedWay:
    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._instance = settings.instance
        self._node = settings.node_name
        self._port = settings.wireguard_port
        self._period = settings.wireguard_rotation_seconds
        self._file = KeyFile(key_file(settings))
        self._devices = [Device(wireguard.device_name(settings.instance, slot)) for slot in SLOTS]
        self._bridge = f"slip{settings.instance}"
        self._clock = clock
        self._keys: Keys | None = None
        self._lock = threading.Lock()
        """The session asks for the report while a pass is at work."""
        self._problem, self._message = "", "no other node has a range of addresses yet"

    @property
    def devices(self) -> list[str]:
        return [device.name for device in self._devices]

    def report(self) -> Report:
        """Keys are said only where the kernel can use them. Blocking."""
        try:
            wireguard.require(self._instance)
        except AgentError as error:
            return Report(problem=str(error))
        with self._lock:
            keys = self._known()
        return Report([key.wire for key in keys.announced(self._port)], self._problem, self._message)

    def apply(self, host: Netlink, own: Sequence[Range], nodes: Sequence[Wire], *, mtu: int) -> set[OwnRoute]:
        """The devices as they should be, and the routes by them. Blocking."""
        now = self._clock()
        active = encryption.active_slot(now, self._period)
        found = encryption.members(nodes, own_name=self._node)
        with self._lock:
            keys = self._exchange(nodes, now)
        links: list[Link] = []
        handshakes: dict[str, float | None] = {}
        for slot, device in zip(SLOTS, self._devices, strict=True):
            links.append(device.ensure(host, keys.slots[slot], port=self._port + slot, mtu=mtu, own=own))
            present = device.peers()
            device.make_so(present, encryption.peers(found.encrypting, slot, active=active))
            handshakes |= {peer.key: peer.handshake for peer in present}
        self._say(found)
        return {
            OwnRoute(network, _gateway(network), links[encryption.by_slot(member, active, handshakes, now)].index)
            for member in found.encrypting
            for network in member.networks
        }

    def guard(self, pod_networks: Sequence[Range]) -> str:
        inside = ["lo", self._bridge, *self.devices]
        return encryption.guard(self._instance, pod_networks=pod_networks, inside=inside)

    def remove(self, host: Netlink) -> None:
        wireguard.remove(host, self._instance)

    def _known(self) -> Keys:
        if self._keys is None:
            self._keys = self._file.load(self._clock())
        return self._keys

    def _exchange(self, nodes: Sequence[Wire], now: float) -> Keys:
        """One step of an exchange, if one is due: announce the new key, or use it once it is there for all to read."""
        keys = self._known()
        if keys.coming is not None:
            said = next((encryption.announced(node) for node in nodes if node["metadata"]["name"] == self._node), ())
            if said == keys.announced(self._port):
                keys = keys.exchanged()
        elif (slot := self._due(keys, now)) is not None:
            keys = keys.exchanging(slot, now)
        if keys != self._keys:
            self._file.save(keys)
            self._keys = keys
        return keys

    def _due(self, keys: Keys, now: float) -> int | None:
        if self._period <= 0 or now % self._period < self._period / 2:
            return None  # without asking the kernel
        return encryption.due(now, self._period, [key.created for key in keys.slots], self._handshakes())

    def _handshakes(self) -> list[float | None]:
        newest: list[float | None] = []
        for device in self._devices:
            try:
                seen = [peer.handshake for peer in device.peers() if peer.handshake]
            except OSError:  # it has not been made yet
                seen = []
            newest.append(max(seen, default=None))
        return newest

    def _say(self, found: encryption.Members) -> None:
        self._message = f"packets to the pods of {len(found.encrypting)} other nodes are encrypted"
        self._problem = ""
        if found.others:
            self._problem = (
                f"nodes {', '.join(found.others)} do not encrypt, and are not reached: set {encryption.SETTING}=wireguard on "
                "every node, or off on every node"
            )


def _gateway(network: Range) -> IPv4Address | IPv6Address:
    """WireGuard looks at the destination only, but a route of ours has a gateway. One of IPv6 must not lie in a network that
    leads through another device (EINVAL), which the network itself does while the slots change: hence a link-local one."""
    return network.network_address if network.version == 4 else IPv6Address("fe80::1")


def refuse_plain(nodes: Sequence[Wire], own_name: str) -> None:
    """For a node that does not encrypt. Raises `NetworkError` where others do."""
    names = [
        str(node["metadata"]["name"])
        for node in nodes
        if node["metadata"]["name"] != own_name and encryption.announced(node)
    ]
    if names:
        raise NetworkError(
            f"nodes {', '.join(sorted(names))} encrypt what their pods send, and this node does not: set "
            f"{encryption.SETTING}=wireguard here too, or off on every node"
        )


def networks_of(text: str) -> list[Range]:
    """Of the cluster, as the Cluster object has them."""
    return [ip_network(each.strip()) for each in text.split(",") if each.strip()]


def key_file(settings: Settings) -> Path:
    return settings.home.absolute() / "network" / "wireguard.json"


async def tick(poke: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        poke()
