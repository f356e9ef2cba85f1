"""Network policies by connections that are really made, and really not, between pods of two nodes."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from nodeagent.errors import AgentError
from schema.base import Wire
from tests.agent.host import needs_host
from tests.agent.host import pod as pod_object
from tests.agent.policy_world import World

pytestmark = needs_host


def namespace(name, **labels):
    return {"kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def pod(namespace, name, node, *, ports=(), **labels):
    named = [{"name": word, "protocol": protocol, "containerPort": number} for word, protocol, number in ports]
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"metadata": metadata, "spec": {"nodeName": node, "ports": named}}


NAMESPACES = [namespace("shop", team="sales"), namespace("lab", team="research"), namespace("kube-system")]
PODS = [
    pod("shop", "web", "a", app="web", tier="front", ports=[("http", "TCP", 8080), ("names", "UDP", 5353)]),
    pod("shop", "db", "b", app="db", tier="back", ports=[("http", "TCP", 8090)]),
    pod("shop", "other", "a", app="other", tier="front"),
    pod("lab", "web", "b", app="web"),
    pod("lab", "tool", "a", app="tool"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"), NAMESPACES, PODS)
    yield world
    world.close()


def policy(namespace="shop", name="p", /, **spec):
    return {"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


WEB = {"podSelector": {"matchLabels": {"app": "web"}}}
DB = {"podSelector": {"matchLabels": {"app": "db"}}}
ALL: Wire = {"podSelector": {}}
FRONT = {"podSelector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]}}
LAB = {"namespaceSelector": {"matchLabels": {"team": "research"}}}
ANYWHERE: Wire = {"namespaceSelector": {}}


def into(selected, *rules, **more):
    return policy(**{**selected, "policyTypes": ["Ingress"], "ingress": list(rules)}, **more)


def out_of(selected, *rules):
    return policy(**{**selected, "policyTypes": ["Egress"], "egress": list(rules)})


def block(cidr, *but):
    return {"ipBlock": {"cidr": cidr, "except": list(but)}}


W, D, X, LW, LT = "shop/web", "shop/db", "shop/other", "lab/web", "lab/tool"
YES, NO = True, False

MATRIX = {
    "without policies": (
        [],
        [(W, D, 80, "tcp", YES), (LT, D, 443, "tcp", YES), (D, W, 53, "udp", YES), ("outside", W, 80, "tcp", YES),
         (W, "outside", 80, "tcp", YES), (W, X, 80, "tcp", YES), ("a", W, 80, "tcp", YES), ("b", W, 80, "tcp", YES)],
    ),
    "ingress denied to all of a namespace": (
        [into(ALL)],
        [(X, W, 80, "tcp", NO), (D, W, 80, "tcp", NO), (LT, D, 80, "tcp", NO), (W, D, 53, "udp", NO),
         ("outside", W, 80, "tcp", NO), ("a", W, 80, "tcp", YES), ("b", D, 80, "tcp", YES), ("b", W, 80, "tcp", NO),
         (W, LW, 80, "tcp", YES), (W, "outside", 80, "tcp", YES), (LT, LW, 80, "tcp", YES)],
    ),
    "egress denied to one pod": (
        [out_of(WEB)],
        [(W, X, 80, "tcp", NO), (W, D, 80, "tcp", NO), (W, D, 53, "udp", NO), (W, "outside", 80, "tcp", NO),
         (W, "a", 53, "udp", NO), (W, "a", 80, "tcp", YES), (D, W, 80, "tcp", YES), (X, D, 80, "tcp", YES),
         (LW, D, 80, "tcp", YES), ("outside", W, 80, "tcp", YES)],
    ),
    "an empty rule lets everything in": (
        [into(ALL, {})],
        [(LT, W, 80, "tcp", YES), ("outside", D, 80, "tcp", YES), (X, D, 53, "udp", YES)],
    ),
    "pods of the own namespace, on either node": (
        [into(WEB, {"from": [DB, {"podSelector": {"matchLabels": {"app": "other"}}}]})],
        [(D, W, 80, "tcp", YES), (X, W, 8080, "tcp", YES), (LT, W, 80, "tcp", NO), (LW, W, 80, "tcp", NO),
         (LT, D, 80, "tcp", YES), ("outside", W, 80, "tcp", NO)],
    ),
    "pods by an expression": (
        [into(DB, {"from": [FRONT]})],
        [(W, D, 80, "tcp", YES), (X, D, 80, "tcp", YES), (LT, D, 80, "tcp", NO)],
    ),
    "a namespace": (
        [into(DB, {"from": [LAB]})],
        [(LW, D, 80, "tcp", YES), (LT, D, 80, "tcp", YES), (W, D, 80, "tcp", NO), ("outside", D, 80, "tcp", NO)],
    ),
    "pods of a namespace": (
        [into(DB, {"from": [{**LAB, **WEB}]})],
        [(LW, D, 80, "tcp", YES), (LT, D, 80, "tcp", NO), (W, D, 80, "tcp", NO)],
    ),
    "pods or a namespace": (
        [into(DB, {"from": [LAB, WEB]})],
        [(LW, D, 80, "tcp", YES), (LT, D, 80, "tcp", YES), (W, D, 80, "tcp", YES), (X, D, 80, "tcp", NO)],
    ),
    "every namespace is not the outside": (
        [into(WEB, {"from": [ANYWHERE]})],
        [(LT, W, 80, "tcp", YES), (D, W, 80, "tcp", YES), ("outside", W, 80, "tcp", NO)],
    ),
    "addresses but some": (
        [into(WEB, {"from": [block("192.0.2.0/24"), block("10.178.0.0/16", "10.178.2.0/24")]})],
        [("outside", W, 80, "tcp", YES), (X, W, 80, "tcp", YES), (D, W, 80, "tcp", NO), (LW, W, 80, "tcp", NO),
         (LT, W, 80, "tcp", YES)],
    ),
    "addresses outside but one": (
        [out_of(WEB, {"to": [block("203.0.113.0/24", "203.0.113.64/26")]})],
        [(W, "outside", 80, "tcp", YES), (W, "outside-except", 80, "tcp", NO), (W, D, 80, "tcp", NO),
         (W, "outside", 443, "tcp", YES)],
    ),
    "one port": (
        [into(WEB, {"ports": [{"port": 80, "protocol": "TCP"}]})],
        [(X, W, 80, "tcp", YES), ("outside", W, 80, "tcp", YES), (X, W, 443, "tcp", NO), (X, W, 53, "udp", NO)],
    ),
    "a range of ports, overlapping another": (
        [into(WEB, {"ports": [{"port": 8080, "endPort": 8086}, {"port": 8085, "endPort": 8087}, {"port": 443}]})],
        [(D, W, 8080, "tcp", YES), (D, W, 8085, "tcp", YES), (D, W, 443, "tcp", YES), (D, W, 8090, "tcp", NO),
         (D, W, 80, "tcp", NO)],
    ),
    "a protocol": (
        [into(WEB, {"ports": [{"protocol": "UDP"}]})],
        [(D, W, 53, "udp", YES), (D, W, 5353, "udp", YES), (D, W, 80, "tcp", NO)],
    ),
    "a port's name is the receiver's": (
        [into(ALL, {"ports": [{"port": "http", "protocol": "TCP"}]})],
        [(X, W, 8080, "tcp", YES), (X, W, 8090, "tcp", NO), (X, D, 8090, "tcp", YES), (X, D, 8080, "tcp", NO),
         (W, X, 8080, "tcp", NO)],
    ),
    "a port's name outwards is the receiver's too": (
        [out_of(ALL, {"to": [ALL], "ports": [{"port": "http"}, {"port": "names", "protocol": "UDP"}]})],
        [(X, W, 8080, "tcp", YES), (X, D, 8090, "tcp", YES), (X, D, 8080, "tcp", NO), (X, W, 5353, "udp", YES),
         (X, W, 53, "udp", NO), (X, LW, 8080, "tcp", NO)],
    ),
    "a name of the wrong protocol": (
        [into(WEB, {"ports": [{"port": "http", "protocol": "UDP"}]})],
        [(X, W, 8080, "tcp", NO), (X, W, 5353, "udp", NO)],
    ),
    "peers and ports must both fit": (
        [into(WEB, {"from": [DB], "ports": [{"port": 80}]}, {"from": [LAB], "ports": [{"port": 443}]})],
        [(D, W, 80, "tcp", YES), (D, W, 443, "tcp", NO), (LT, W, 443, "tcp", YES), (LT, W, 80, "tcp", NO)],
    ),
    "policies add up": (
        [into(ALL), policy("shop", "q", **WEB, policyTypes=["Ingress"], ingress=[{"from": [DB]}]),
         policy("shop", "r", **WEB, policyTypes=["Ingress"], ingress=[{"ports": [{"port": 443}]}])],
        [(D, W, 80, "tcp", YES), (X, W, 80, "tcp", NO), (X, W, 443, "tcp", YES), (W, X, 443, "tcp", NO)],
    ),
    "both ends must agree": (
        [out_of(WEB, {"to": [DB]}), policy("shop", "q", **DB, policyTypes=["Ingress"], ingress=[{"from": [LAB]}])],
        [(W, D, 80, "tcp", NO), (W, X, 80, "tcp", NO), (LT, D, 80, "tcp", YES), (X, W, 80, "tcp", YES)],
    ),
    "both ends do agree": (
        [out_of(WEB, {"to": [DB]}), policy("shop", "q", **DB, policyTypes=["Ingress"], ingress=[{"from": [WEB]}])],
        [(W, D, 80, "tcp", YES), (X, D, 80, "tcp", NO), (D, W, 80, "tcp", YES)],
    ),
    "types follow from the rules": (
        [policy(**WEB, egress=[{"to": [DB]}])],
        [(W, D, 80, "tcp", YES), (W, X, 80, "tcp", NO), (D, W, 80, "tcp", NO)],
    ),
    "DNS is allowed as it is in Kubernetes": (
        [out_of(WEB, {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                              "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
                      "ports": [{"port": 53, "protocol": "UDP"}]})],
        [(W, "a", 53, "udp", YES), (W, D, 53, "udp", NO), (W, "outside", 53, "udp", NO)],
    ),
    "the own namespace is isolated": (
        [namespace("shop", **{"slipway.dev/isolation": "namespace"})],
        [(W, D, 80, "tcp", YES), (W, X, 80, "tcp", YES), (LT, W, 80, "tcp", NO), (LW, W, 80, "tcp", NO),
         (W, LT, 80, "tcp", NO), (D, LT, 53, "udp", NO), (W, "outside", 80, "tcp", YES), ("outside", W, 80, "tcp", YES),
         ("a", W, 80, "tcp", YES), ("b", W, 80, "tcp", YES), (W, "a", 53, "udp", YES), (LT, LW, 80, "tcp", YES)],
    ),
    "no policy opens an isolated namespace, and isolation opens no policy": (
        [namespace("shop", **{"slipway.dev/isolation": "namespace"}), into(WEB, {"from": [LAB]})],
        [(LT, W, 80, "tcp", NO), (D, W, 80, "tcp", NO), (W, D, 80, "tcp", YES)],
    ),
    "isolation that is none": (
        [namespace("shop", **{"slipway.dev/isolation": "none"})],
        [(LT, W, 80, "tcp", YES), (W, LT, 80, "tcp", YES)],
    ),
}  # fmt: skip


def test_the_matrix_is_large_enough():
    assert sum(len(attempts) for _, attempts in MATRIX.values()) >= 60


@pytest.mark.parametrize("case", MATRIX)
async def test_matrix(world, case):
    objects, attempts = MATRIX[case]
    await world.set(*objects)
    outcomes = await world.reach([each[:4] for each in attempts])
    assert [(*each[:4], found) for each, found in zip(attempts, outcomes, strict=True)] == attempts


@pytest.mark.parametrize(
    "case", ["ingress denied to all of a namespace", "pods of a namespace", "the own namespace is isolated"]
)
async def test_matrix_by_ipv6(world, case):
    objects, attempts = MATRIX[case]
    attempts = [each for each in attempts if "/" in each[0] and "/" in each[1]]
    await world.set(*objects)
    outcomes = await world.reach([each[:4] for each in attempts], version=6)
    assert [(*each[:4], found) for each, found in zip(attempts, outcomes, strict=True)] == attempts


async def test_ipv6_blocks(world):
    await world.set(into(WEB, {"from": [block("fd78::/16", "fd78:2::/64")]}))
    assert await world.reach([(X, W, 80, "tcp"), (D, W, 80, "tcp")], version=6) == [True, False]


async def test_a_change_costs_what_it_changes_and_leaves_what_a_fresh_table_would_hold(world):
    await world.set()
    node = world.nodes["a"]
    for case in (*MATRIX, *reversed(MATRIX)):
        await world.set(*MATRIX[case][0])
        assert not any("delete table" in script for script in node.scripts[-1:]), case
        grown = node.namespace.run("nft list ruleset")
        node.policies._applied = None
        await node.policies.apply(world.view, frozenset())
        assert sorted(node.namespace.run("nft list ruleset").split()) == sorted(grown.split()), case
        node.scripts.append("")
    before = len(node.scripts)
    await world.set(*MATRIX[case][0])
    assert len(node.scripts) == before, "nothing changed, so nft is not asked"


async def test_a_connection_that_is_forbidden_later_comes_to_a_halt(world):
    await world.set()
    loop = asyncio.get_running_loop()
    listener = world.pods[D].call(socket.create_server, ("0.0.0.0", 9000))
    client = world.pods[W].call(socket.socket)
    with listener, client:
        listener.setblocking(False)
        client.setblocking(False)
        await loop.sock_connect(client, (world.target(D), 9000))
        served, _ = await loop.sock_accept(listener)
        with served:
            served.setblocking(False)
            await loop.sock_sendall(client, b"1")
            assert await loop.sock_recv(served, 1) == b"1"
            await world.set(into(DB, {"from": [LAB]}))
            await loop.sock_sendall(client, b"2")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(loop.sock_recv(served, 1), 0.5)
            await world.set(into(DB, {"from": [WEB]}))
            assert await asyncio.wait_for(loop.sock_recv(served, 1), 60) == b"2"


async def test_replies_pass_where_nothing_may_be_opened(world):
    await world.set(out_of(WEB), policy("shop", "q", **DB, policyTypes=["Ingress"], ingress=[]))
    assert await world.reach([(LT, W, 53, "udp"), (D, W, 80, "tcp"), (W, D, 80, "tcp")]) == [True, True, False]


async def test_a_pod_is_held_to_its_policies_before_the_control_plane_has_told_its_address(world):
    await world.set(into(ALL))
    node = world.nodes["a"]
    started = pod_object({}, namespace="shop")
    newcomer = node.add_pod(200)
    try:
        await node.policies.admit(started, ["10.178.1.200"])
        assert "10.178.1.200 : goto ingress_" in node.namespace.run("nft list ruleset")
        node.policies.forget(started.metadata.uid)
        await node.policies.apply(world.view, frozenset())
        assert "10.178.1.200" not in node.namespace.run("nft list ruleset")
    finally:
        newcomer.close()


async def test_what_somebody_took_away_is_made_anew(world):
    await world.set(into(ALL))
    world.nodes["a"].namespace.run("nft flush ruleset")
    await world.set(into(DB))
    assert "ingress_" not in world.nodes["a"].namespace.run("nft list ruleset")  # db is on b
    await world.set(into(WEB))
    assert await world.reach([(X, W, 80, "tcp"), (X, D, 80, "tcp")]) == [False, True]


async def test_thousands_of_pods_are_few_steps(world):
    pods = [
        {
            "kind": "Pod",
            "metadata": {"name": f"x{n}", "namespace": "lab", "labels": {"app": f"app{n % 100}"}},
            "spec": {"nodeName": "b"},
            "status": {"podIPs": [{"ip": f"10.178.{100 + n // 250}.{n % 250 + 2}"}]},
        }
        for n in range(5000)
    ]
    await world.set(*pods, into(WEB, {"from": [LAB]}))
    await world.set(*pods[:-1], into(WEB, {"from": [LAB]}))
    assert "delete element" in world.nodes["a"].scripts[-1]
    assert len(world.nodes["a"].scripts[-1]) < 200
    with contextlib.suppress(AgentError):
        await world.set()
