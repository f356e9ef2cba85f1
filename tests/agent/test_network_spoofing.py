"""A pod with NET_RAW and NET_ADMIN sends as itself and as nobody else: raw frames on a real bridge."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Any

import pytest

from nodeagent.network import spoofing
from nodeagent.network.pod_state import hardware_address, veth_name
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import needs_host
from tests.agent.services_host import CLUSTER, CLUSTER_6, POD_RANGE, POD_RANGE_6, Node, dual, segment

__all__ = ["dual", "segment"]
pytestmark = needs_host

_ETH_P_ALL, _ETH_P_ARP, _ETH_P_VLAN = 3, 0x0806, 0x8100
STRANGE = {4: "10.177.9.200", 6: "fd77:0:9::200"}
MARK = b"is this somebody else?"


def hardware(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return hardware(target) + hardware(source) + struct.pack("!H", kind) + payload


def untagged(frame: bytes) -> bytes:
    """As a packet socket shows it."""
    return frame[:12] + frame[16:] if frame[12:14] == struct.pack("!H", _ETH_P_VLAN) else frame


def packet(source: str, target: str, port: int = 9) -> tuple[int, bytes]:
    """(ethertype, a UDP datagram with the mark)"""
    udp = struct.pack("!HHHH", port, port, 8 + len(MARK), 0) + MARK
    one, other = ip_address(source), ip_address(target)
    if one.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + one.packed + other.packed
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return 0x0800, head + udp
    return 0x86DD, struct.pack("!IHBB", 0x60000000, len(udp), 17, 64) + one.packed + other.packed + udp


def arp(sender: str, address: str, target: str) -> bytes:
    """A reply: the address is at ``sender``."""
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    return head + hardware(sender) + ip_address(address).packed + bytes(6) + ip_address(target).packed


def advertisement(source: str, target: str, claimed: str, sender: str) -> bytes:
    """An IPv6 packet: the claimed address is at ``sender``."""
    one, other = IPv6Address(source), IPv6Address(target)
    body = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + IPv6Address(claimed).packed + b"\x02\x01" + hardware(sender)
    pseudo = one.packed + other.packed + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + one.packed + other.packed + body


class World:
    """A pod that lies, a pod that is lied about, and what the node sees of the first."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.liar, self.victim = node.sandboxes["liar"], node.sandboxes["victim"]
        self.mac, self.victim_mac = hardware_address(self.liar.pod_uid), hardware_address(self.victim.pod_uid)
        self.bridge = node.network._bridge_name

    def sent(self, *frames: bytes) -> list[bool]:
        """Which of them arrive at the node."""

        def send() -> None:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
                wire.bind(("eth0", 0))
                for frame in [*frames, last]:
                    wire.send(frame)

        last = ethernet(self.mac, self.gateway_mac(), *packet(self.liar.addresses[0], "10.177.9.1", port=11))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as seen:
            seen.bind((self.bridge, _ETH_P_ALL))
            seen.settimeout(2)
            self.node.places["liar"].call(send)
            heard: list[bytes] = []
            while last not in heard:
                heard.append(seen.recv(2000))
        return [untagged(frame) in heard for frame in frames]

    def gateway_mac(self) -> str:
        shown = subprocess.check_output(["ip", "-j", "link", "show", self.bridge])
        return str(json.loads(shown)[0]["address"])


@pytest.fixture
async def world(dual: Node) -> Any:
    await dual.pod("liar")
    await dual.pod("victim")
    return World(dual)


def frames(world: World) -> Iterator[tuple[str, bool, bytes]]:
    """(what it is, whether it may pass, frame)"""
    gateway, everybody = world.gateway_mac(), "ff:ff:ff:ff:ff:ff"
    for own, other, target in zip(
        world.liar.addresses, world.victim.addresses, ("10.177.9.1", "fd77:0:9::1"), strict=True
    ):
        version = ip_address(own).version
        for what, passes, source in (
            ("itself", True, own),
            ("another pod", False, other),
            ("an address that nobody has", False, STRANGE[version]),
            ("the gateway", False, target),
            ("the outside", False, "192.0.2.50" if version == 4 else "2001:db8:2::50"),
        ):
            kind, data = packet(source, target)
            yield f"IPv{version} as {what}", passes, ethernet(world.mac, gateway, kind, data)
        kind, data = packet(own, target)
        yield f"IPv{version} with another's hardware address", False, ethernet(world.victim_mac, gateway, kind, data)
        kind, data = packet(own, target, port=10)
        tagged = struct.pack("!HH", 5, kind) + data
        yield f"IPv{version} in a VLAN", False, ethernet(world.mac, gateway, _ETH_P_VLAN, tagged)
    four, six = world.liar.addresses
    for what, passes, sender, address in (
        ("itself", True, world.mac, four),
        ("another pod", False, world.mac, world.victim.addresses[0]),
        ("the gateway", False, world.mac, "10.177.9.1"),
        ("another's hardware address", False, world.victim_mac, four),
    ):
        yield f"ARP as {what}", passes, ethernet(world.mac, everybody, _ETH_P_ARP, arp(sender, address, "10.177.9.1"))
    own_link_local = str(spoofing.link_local(world.mac))
    for what, passes, source, claimed in (
        ("itself", True, six, six),
        ("its link-local self", True, own_link_local, own_link_local),
        ("another pod", False, six, world.victim.addresses[1]),
        ("the gateway", False, own_link_local, "fd77:0:9::1"),
        ("another pod by its address", False, world.victim.addresses[1], world.victim.addresses[1]),
    ):
        data = advertisement(source, "fd77:0:9::1", claimed, world.mac)
        yield f"a neighbour advertisement as {what}", passes, ethernet(world.mac, gateway, 0x86DD, data)


async def test_a_pod_sends_as_itself_and_as_nobody_else(world: World):
    cases = list(frames(world))
    found = world.sent(*(frame for _, _, frame in cases))
    assert dict(zip((what for what, _, _ in cases), found, strict=True)) == {what: passes for what, passes, _ in cases}


async def test_an_agent_that_starts_again_guards_the_pods_that_are_here(world: World):
    again = BridgeNetwork(world.node.settings)
    await again.start(pod_cidrs=[POD_RANGE, POD_RANGE_6], cluster_cidrs=[CLUSTER, CLUSTER_6])
    cases = list(frames(world))
    assert world.sent(*(frame for _, _, frame in cases)) == [passes for _, passes, _ in cases]


async def test_the_guard_is_what_holds_it_back_and_goes_with_the_pod(world: World):
    table = world.node.network._table
    await world.node.network._nft(f"flush chain bridge {table} prerouting\n")
    assert all(world.sent(*(frame for _, _, frame in frames(world)))), "the test tests something"
    listing = ["nft", "list", "table", "bridge", table]
    for _ in range(2):
        await world.node.network.delete(world.liar.pod_uid)
        shown = subprocess.check_output(listing, text=True)
        assert veth_name(world.liar.pod_uid) not in shown
        assert veth_name(world.victim.pod_uid) in shown
