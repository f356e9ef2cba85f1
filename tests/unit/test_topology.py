"""How a node reaches the pods of the others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, IPv6Network
from typing import Any

import pytest

from nodeagent.network import topology
from nodeagent.network.topology import Mode
from schema.base import Wire

OWN = IPv4Interface("10.9.0.1/24")


def node(name: str, address: str | None, cidr: str | None, **spec: Any) -> Wire:
    addresses = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    return {
        "metadata": {"name": name},
        "spec": {**({"podCIDR": cidr} if cidr else {}), **spec},
        "status": {"addresses": addresses},
    }


NEAR = node("near", "10.9.0.2", "10.244.1.0/24")
FAR = node("far", "192.0.2.2", "10.244.2.0/24")


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        (Mode.AUTO, {"near": True, "far": False}),
        (Mode.VXLAN, {"near": False, "far": False}),
        (Mode.DIRECT, {"near": True}),
    ],
)
def test_a_peer_is_reached_directly_on_the_own_segment(mode: Mode, found: dict[str, bool]) -> None:
    own = node("own", "10.9.0.1", "10.244.0.0/24")
    peers = topology.peers([own, FAR, NEAR], own_name="own", own=OWN, mode=mode)
    assert {peer.name: peer.direct for peer in peers} == found


@pytest.mark.parametrize("mode", list(Mode))
def test_both_ends_of_a_segment_decide_alike(mode: Mode) -> None:
    other = topology.peers(
        [node("own", "10.9.0.1", "10.244.0.0/24")], own_name="near", own=IPv4Interface("10.9.0.2/24"), mode=mode
    )
    here = topology.peers([NEAR], own_name="own", own=OWN, mode=mode)
    assert [peer.direct for peer in here] == [peer.direct for peer in other]


@pytest.mark.parametrize(
    "lacking", [node("x", None, "10.244.3.0/24"), node("x", "10.9.0.3", None), node("x", "fe80::1", "no range")]
)
def test_a_node_that_is_not_ready_to_be_reached_is_left_out(lacking: Wire) -> None:
    assert topology.peers([lacking], own_name="own", own=OWN, mode=Mode.AUTO) == []


def test_two_nodes_with_one_range_are_one_way() -> None:
    twin = node("zz", "10.9.0.9", "10.244.1.0/24")
    assert [peer.name for peer in topology.peers([twin, NEAR], own_name="own", own=OWN, mode=Mode.AUTO)] == ["near"]


def test_the_tunnel_s_addresses_follow_from_the_range() -> None:
    (peer,) = topology.peers([FAR], own_name="own", own=OWN, mode=Mode.AUTO)
    assert peer.tunnel_address == IPv4Address("10.244.2.0")
    assert peer.hardware_address == "0a:59:0a:f4:02:00"


def test_dual_stack_ranges_are_read() -> None:
    both = node("x", "10.9.0.4", None, podCIDRs=["fd00::/64", "10.244.9.0/24"])
    assert str(topology.pod_network(both)) == "10.244.9.0/24"


OWN6 = IPv6Interface("2001:db8:9::1/64")


def dual(name: str, address: str | None, address6: str | None, *cidrs: str) -> Wire:
    wire = node(name, address, None, podCIDRs=list(cidrs))
    wire["status"]["addresses"] += [{"type": "InternalIP", "address": address6}] if address6 else []
    return wire


NEAR6 = dual("near", "10.9.0.2", "2001:db8:9::2", "10.244.1.0/24", "fd00:1::/64")


@pytest.mark.parametrize(
    ("other", "own", "mode", "direct"),
    [
        (NEAR6, OWN6, Mode.AUTO, "2001:db8:9::2"),
        (NEAR6, OWN6, Mode.DIRECT, "2001:db8:9::2"),
        (NEAR6, OWN6, Mode.VXLAN, "tunnel"),
        (NEAR6, None, Mode.AUTO, "tunnel"),
        (NEAR6, None, Mode.DIRECT, "none"),
        (NEAR6, IPv6Interface("2001:db8:9::1/128"), Mode.AUTO, "tunnel"),
        (dual("far", "192.0.2.2", "2001:db8:8::2", "10.244.2.0/24", "fd00:2::/64"), OWN6, Mode.AUTO, "tunnel"),
        (dual("half", None, "2001:db8:9::3", "fd00:3::/64"), OWN6, Mode.AUTO, "2001:db8:9::3"),
        (dual("half", None, "2001:db8:9::3", "fd00:3::/64"), OWN6, Mode.VXLAN, "none"),
        (dual("four", "10.9.0.4", "2001:db8:9::4", "10.244.4.0/24"), OWN6, Mode.AUTO, "none"),
    ],
)
def test_ipv6_goes_directly_on_a_segment_of_its_own_and_else_by_the_tunnel(
    other: Wire, own: IPv6Interface | None, mode: Mode, direct: str
) -> None:
    peers = topology.peers6([other, node("own", "10.9.0.1", None)], own_name="own", own=own, mode=mode)
    assert [str(peer.direct or "tunnel") for peer in peers] == ([] if direct == "none" else [direct])


def test_a_node_has_one_hardware_address_for_both_families() -> None:
    (four,) = topology.peers([NEAR6], own_name="own", own=OWN, mode=Mode.VXLAN)
    (six,) = topology.peers6([NEAR6], own_name="own", own=None, mode=Mode.VXLAN)
    assert four.hardware_address == six.hardware_address
    only = topology.hardware_address(IPv6Network("fd00:1::/64"))
    assert only != topology.hardware_address(IPv6Network("fd00:2::/64"))
    assert int(only[:2], 16) & 3 == 2  # locally administered, of one station
