"""What the overlay leaves in the kernel for given nodes, in both families."""

from __future__ import annotations

import asyncio
import json
import subprocess
from ipaddress import IPv6Network, ip_network
from typing import Any

import pytest

from nodeagent.cluster import ClusterView
from nodeagent.errors import HostConflict
from nodeagent.network import bridge
from nodeagent.network.overlay import Overlay, device_name
from nodeagent.network.spoofing import link_local
from nodeagent.network.topology import hardware_address
from nodeagent.settings import Settings
from schema.base import Wire
from tests.agent.host import instance, needs_host
from tests.agent.test_network_pods import node_namespace

__all__ = ["node_namespace"]
pytestmark = needs_host

OWN = ["192.0.2.77", "2001:db8:9::1"]


def node(name: str, number: int, *addresses: str) -> Wire:
    return {
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDRs": [f"10.177.{number}.0/24", f"fd77:{number}::/64"]},
        "status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]},
    }


NODES = [
    {"kind": "Cluster", "metadata": {"name": "cluster"}, "spec": {"vni": 77}},
    node("node", 0, *OWN),
    node("near", 1, "192.0.2.78", "2001:db8:9::2"),
    node("half", 2, "192.0.2.79"),
    node("far", 3, "198.51.100.3", "2001:db8:8::3"),
]


@pytest.fixture(scope="module")
def host(node_namespace):
    subprocess.run(["ip", "addr", "add", "2001:db8:9::1/64", "dev", "out0", "nodad"], check=True)


def overlay(settings: Settings, mode: str = "auto") -> Overlay:
    from dataclasses import replace

    return Overlay(replace(settings, overlay=mode), addresses=lambda: OWN)


async def apply(made: Overlay, wires: list[Wire]) -> None:
    await made.apply(ClusterView(wires), frozenset())


def shown(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(subprocess.check_output([*words], text=True) or "[]")
    return found


def ways() -> dict[str, tuple[str, str]]:
    """Destination to gateway and device of our routes."""
    return {
        route["dst"]: (route["gateway"], route["dev"])
        for family in ("-4", "-6")
        for route in shown("ip", "-j", family, "route", "show", "proto", "83")
    }


async def test_each_family_goes_its_shortest_way(host):
    with instance() as settings:
        made, tunnel = overlay(settings), device_name(settings.instance)
        await apply(made, NODES)
        assert ways() == {
            "10.177.1.0/24": ("192.0.2.78", "out0"),
            "10.177.2.0/24": ("192.0.2.79", "out0"),
            "10.177.3.0/24": ("10.177.3.0", tunnel),
            "fd77:1::/64": ("2001:db8:9::2", "out0"),
            "fd77:2::/64": ("fe80::859:aff:feb1:200", tunnel),
            "fd77:3::/64": ("fe80::859:aff:feb1:300", tunnel),
        }
        neighbours = {entry["dst"] for entry in shown("ip", "-j", "neigh", "show", "dev", tunnel, "nud", "permanent")}
        neighbours |= {
            entry["dst"] for entry in shown("ip", "-j", "-6", "neigh", "show", "dev", tunnel, "nud", "permanent")
        }
        assert neighbours == {"10.177.3.0", "fe80::859:aff:feb1:200", "fe80::859:aff:feb1:300"}
        entries = {entry["dst"]: entry["mac"] for entry in shown("bridge", "-j", "fdb", "show", "dev", tunnel)}
        assert entries == {"192.0.2.79": "0a:59:0a:b1:02:00", "198.51.100.3": "0a:59:0a:b1:03:00"}
        await _removed(made)


async def _removed(made: Overlay) -> None:
    await asyncio.to_thread(made.remove)
    assert ways() == {}
    assert not [link for link in shown("ip", "-j", "link") if link["ifname"].startswith("slvx")]


async def test_what_changes_is_followed_and_what_is_taken_away_comes_back(host):
    with instance() as settings:
        made, tunnel = overlay(settings, "vxlan"), device_name(settings.instance)
        await apply(made, NODES)
        assert {device for _, device in ways().values()} == {tunnel}
        assert len(ways()) == 6
        moved = [*NODES[:4], node("far", 3, "198.51.100.9")]
        subprocess.run(["ip", "-6", "route", "flush", "proto", "83"], check=True)
        subprocess.run(["ip", "-6", "neigh", "flush", "dev", tunnel, "nud", "permanent"], check=True)
        await apply(made, moved)
        assert len(ways()) == 6
        entries = {entry["dst"] for entry in shown("bridge", "-j", "fdb", "show", "dev", tunnel)}
        assert entries == {"192.0.2.78", "192.0.2.79", "198.51.100.9"}
        await apply(made, NODES[:3])
        assert set(ways()) == {"10.177.1.0/24", "fd77:1::/64"}
        await _removed(made)


async def test_a_peer_of_ipv6_that_leaves_the_segment_and_comes_back_is_followed(host):
    with instance() as settings:
        made, tunnel = overlay(settings), device_name(settings.instance)
        near, moved = NODES[2], node("near", 1, "192.0.2.78")
        for wire, device in ((near, "out0"), (moved, tunnel), (near, "out0")):
            await apply(made, [*NODES[:2], wire])
            assert ways()["fd77:1::/64"][1] == device
        await _removed(made)


async def test_a_cluster_of_ipv6_only_has_its_ways_too(host):
    def six(wire: Wire) -> Wire:
        cidrs = [cidr for cidr in wire.get("spec", {}).get("podCIDRs", []) if ":" in cidr]
        return {**wire, "spec": {**wire["spec"], "podCIDRs": cidrs}} if cidrs else wire

    with instance() as settings:
        made, tunnel = overlay(settings), device_name(settings.instance)
        await apply(made, [six(wire) for wire in NODES])
        assert ways() == {
            "fd77:1::/64": ("2001:db8:9::2", "out0"),
            **{
                f"fd77:{number}::/64": (str(link_local(hardware_address(IPv6Network(f"fd77:{number}::/64")))), tunnel)
                for number in (2, 3)
            },
        }
        await _removed(made)


async def test_a_route_of_the_host_in_another_nodes_range_is_a_conflict(host):
    subprocess.run(["ip", "-6", "route", "add", "fd77:3:0:0:1::/80", "dev", "out0"], check=True)
    try:
        with instance() as settings:
            made = overlay(settings)
            with pytest.raises(HostConflict, match=r"fd77:3::/64 of node far.*out0"):
                await apply(made, NODES)
            await _removed(made)
    finally:
        subprocess.run(["ip", "-6", "route", "del", "fd77:3:0:0:1::/80", "dev", "out0"], check=True)


async def test_the_tunnel_of_an_agent_that_was_restarted_is_no_conflict(host):
    """Its address is of the node's own range, and so are its routes."""
    with instance() as settings:
        made, tunnel = overlay(settings), device_name(settings.instance)
        await apply(made, NODES)
        own, name = [ip_network("10.177.0.0/24"), ip_network("fd77:0::/64")], f"slip{settings.instance}"
        try:
            with pytest.raises(HostConflict, match=tunnel):
                await asyncio.to_thread(bridge.ensure, name, own)
            assert await asyncio.to_thread(bridge.ensure, name, own, tunnels={tunnel})
        finally:
            await asyncio.to_thread(bridge.delete_link, name)
        await _removed(made)
