"""Services on a real kernel (`services_host` draws the picture)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections import Counter
from functools import partial
from ipaddress import IPv4Network
from typing import Any

import pytest

from nodeagent.network.services import Services, table_name
from tests.agent.host import needs_host
from tests.agent.patience import patience
from tests.agent.services_host import (
    ADDRESS,
    CLIENT,
    CLUSTER,
    NODE,
    POD_RANGE,
    REMOTE_POD,
    Node,
    Place,
    answering,
    answering_udp,
    endpoint,
    fetch,
    node,
    running,
    segment,
    service,
    slices,
)

__all__ = ["node", "segment"]
pytestmark = needs_host


async def test_pods_and_the_node_reach_a_service_and_are_seen_as_they_are(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        await node.put(service(), slices(one, two))
        answers = [node.places["two"].call(lambda: fetch(ADDRESS, 80)) for _ in range(30)]
        assert {name for name, _ in answers} == {"one", "two"}
        assert ("one", two) in answers, "a pod is seen by its own address"
        assert {peer for name, peer in answers if name == "two"} == {"10.177.9.1"}, "but where it reached itself"
        assert fetch(ADDRESS, 80)[0] in ("one", "two")


async def test_a_remote_endpoint_sees_pods_untranslated_and_clients_from_outside_as_this_node(node: Node):
    one = await node.pod("one")
    with answering(node.places["node2"], "far"):
        ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
        await node.put(service(type="NodePort", ports=ports), slices(endpoint(REMOTE_POD, "node2")))
        assert node.places["one"].call(lambda: fetch(ADDRESS, 80)) == ("far", one)
        assert fetch(ADDRESS, 80) == ("far", NODE)
        assert node.places["client"].call(lambda: fetch(NODE, 30080)) == ("far", NODE)


async def test_a_node_port_answers_everybody_and_shows_the_client(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    with answering(node.places["one"], "one"):
        await node.put(service(type="NodePort", ports=ports), slices(one))
        assert node.places["client"].call(lambda: fetch(NODE, 30080)) == ("one", CLIENT)
        assert node.places["two"].call(lambda: fetch(NODE, 30080)) == ("one", two)
        assert fetch("127.0.0.1", 30080)[0] == "one"
        assert fetch(NODE, 30080)[0] == "one"
        assert node.places["one"].call(lambda: fetch(NODE, 30080))[0] == "one"
        with pytest.raises(ConnectionRefusedError):
            node.places["client"].call(lambda: fetch(NODE, 30081))


async def test_node_ports_answer_only_where_they_are_asked_to(segment: dict[str, Place]):
    async with running(segment, node_port_addresses="127.0.0.0/8") as node:
        one = await node.pod("one")
        ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
        with answering(node.places["one"], "one"):
            await node.put(service(type="NodePort", ports=ports), slices(one))
            assert fetch("127.0.0.1", 30080)[0] == "one"
            with pytest.raises(ConnectionRefusedError):
                node.places["client"].call(lambda: fetch(NODE, 30080))


async def test_a_service_without_endpoints_is_refused_at_once(node: Node):
    await node.pod("one")
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    await node.put(service(type="NodePort", ports=ports), slices())
    for place, address, port in [
        ("one", ADDRESS, 80),
        ("one", NODE, 30080),
        ("client", NODE, 30080),
    ]:
        with pytest.raises(ConnectionRefusedError):
            node.places[place].call(partial(fetch, address, port))
    with pytest.raises(ConnectionRefusedError):
        fetch(ADDRESS, 80)


async def test_local_policies_lead_to_this_node_only(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
    local = service(type="NodePort", ports=ports, externalTrafficPolicy="Local")
    with answering(node.places["one"], "one"), answering(node.places["node2"], "far"):
        await node.put(local, slices(one, endpoint(REMOTE_POD, "node2")))
        outside = [node.places["client"].call(lambda: fetch(NODE, 30080)) for _ in range(10)]
        assert set(outside) == {("one", CLIENT)}
        inside = {node.places["two"].call(lambda: fetch(NODE, 30080))[0] for _ in range(20)}
        assert inside == {"one", "far"}, "pods are inside, whichever address they ask"
        await node.put(slices(endpoint(REMOTE_POD, "node2")))
        with pytest.raises(TimeoutError):
            node.places["client"].call(lambda: fetch(NODE, 30080, timeout=0.3))
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80)) == ("far", two)
        await node.put(service(internalTrafficPolicy="Local"))
        with pytest.raises(TimeoutError):
            node.places["two"].call(lambda: fetch(ADDRESS, 80, timeout=0.3))
        await node.put(slices(one, endpoint(REMOTE_POD, "node2")))
        assert {node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] for _ in range(10)} == {"one"}


async def test_a_client_stays_with_its_endpoint_across_changes(node: Node):
    one, two, three = await node.pod("one"), await node.pod("two"), await node.pod("three")
    sticky = service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 3600}})
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        await node.put(sticky, slices(one, two))
        client = node.places["three"]
        first = client.call(lambda: fetch(ADDRESS, 80))[0]
        assert {client.call(lambda: fetch(ADDRESS, 80))[0] for _ in range(12)} == {first}
        await node.put(slices(one, two, endpoint(three, ready=False)))
        assert {client.call(lambda: fetch(ADDRESS, 80))[0] for _ in range(12)} == {first}
        other = {"one": two, "two": one}[first]
        await node.put(slices(other))
        assert client.call(lambda: fetch(ADDRESS, 80))[0] != first


def keep_asking(client: socket.socket) -> None:
    """The kernel limits how many refusals (ICMP) it sends in a second, to all."""
    client.settimeout(0.2)
    for _ in range(20):
        client.send(b"?")
        with contextlib.suppress(TimeoutError):
            client.recv(100)


async def test_udp_clients_move_when_their_endpoint_goes(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    await node.pod("three")
    ports = [{"name": "", "protocol": "UDP", "port": 53}]

    def ask(client: socket.socket) -> str:
        client.sendto(b"?", (ADDRESS, 53))
        return client.recv(100).decode()

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(10)
        return made

    with answering_udp(node.places["one"], "one"), answering_udp(node.places["two"], "two"):
        await node.put(service(ports=ports), slices(protocol="UDP"))
        client = node.places["three"].call(bound)
        client.connect((ADDRESS, 53))
        with client, pytest.raises(ConnectionRefusedError):
            keep_asking(client)
        client = node.places["three"].call(bound)
        await node.put(slices(one, protocol="UDP"))
        assert ask(client).startswith("one ")
        await node.put(slices(two, protocol="UDP"))
        assert ask(client).startswith("two "), "the same socket, whose flow was tracked"
        client.close()


async def test_a_terminating_endpoint_serves_while_none_is_ready_and_keeps_its_connections(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    await node.pod("three")
    client = node.places["three"]
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        await node.put(service(), slices(one))
        lasting = client.call(lambda: socket.create_connection((ADDRESS, 80), timeout=10))
        assert lasting.recv(100).startswith(b"one")
        ending = endpoint(one, ready=False, serving=True, terminating=True)
        await node.put(slices(ending))
        assert client.call(lambda: fetch(ADDRESS, 80))[0] == "one", "nobody else is there"
        await node.put(slices(ending, two))
        assert {client.call(lambda: fetch(ADDRESS, 80))[0] for _ in range(10)} == {"two"}
        lasting.sendall(b"still there?")
        assert lasting.recv(100) == b"still there?"
        await node.drop("EndpointSlice", "web-1")
        lasting.sendall(b"and now?")
        assert lasting.recv(100) == b"and now?"
        lasting.close()


async def test_a_load_balancers_address_is_announced_guarded_and_given_up(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    pool = "192.0.2.200"
    mine = {"slipway.dev/announced-by": "node"}
    balanced = service(type="LoadBalancer", ingress=[pool], annotations=mine)
    with answering(node.places["one"], "one"), answering(None, "the node's own", port=22022):
        await node.put(balanced, slices(one))
        assert node.places["client"].call(lambda: fetch(pool, 80)) == ("one", CLIENT)
        assert node.places["two"].call(lambda: fetch(pool, 80)) == ("one", two)
        assert node.places["client"].call(lambda: fetch(NODE, 22022))[0] == "the"
        with pytest.raises(TimeoutError):
            node.places["client"].call(lambda: fetch(pool, 22022, timeout=0.3))
        assert pool in subprocess.check_output(["ip", "addr", "show", "br-seg"], text=True)
        await node.put(
            service(type="LoadBalancer", ingress=[pool], annotations=mine, loadBalancerSourceRanges=["198.51.100.0/24"])
        )
        with pytest.raises(TimeoutError):
            node.places["client"].call(lambda: fetch(pool, 80, timeout=0.3))
        await node.put(
            service(type="LoadBalancer", ingress=[pool], annotations=mine, loadBalancerSourceRanges=[f"{CLIENT}/32"])
        )
        assert node.places["client"].call(lambda: fetch(pool, 80)) == ("one", CLIENT)
        await node.put(service(type="LoadBalancer", ingress=[pool], annotations={"slipway.dev/announced-by": "node2"}))
        assert pool not in subprocess.check_output(["ip", "addr", "show", "br-seg"], text=True)


async def test_without_a_pool_the_nodes_own_listeners_go_before_a_load_balancer(node: Node):
    """It answers at the node's own address, where sshd may be."""
    one, two = await node.pod("one"), await node.pod("two")
    client = node.places["client"]
    ports = [{"name": "a", "protocol": "TCP", "port": 80}, {"name": "b", "protocol": "TCP", "port": 22022}]
    cases: list[tuple[str, dict[str, Any]]] = [
        ("LoadBalancer", {"ingress": [NODE]}),
        ("ClusterIP", {"externalIPs": [NODE, "198.51.100.7"]}),
    ]
    for kind, spec in cases:
        both = slices(one)
        both["ports"] = [{"name": each["name"], "protocol": "TCP", "port": 8080} for each in ports]
        with answering(node.places["one"], "one"):
            await node.put(service(type=kind, ports=ports, **spec), both)
            with answering(None, "own", port=22022), answering(None, "other", port=22023):
                assert client.call(lambda: fetch(NODE, 22022))[0] == "own"
                assert node.places["two"].call(lambda: fetch(NODE, 22022))[0] == "own"
                assert client.call(lambda: fetch(NODE, 22023))[0] == "other"
                assert client.call(lambda: fetch(NODE, 80)) == ("one", CLIENT)
                if kind == "ClusterIP":
                    assert node.places["two"].call(lambda: fetch("198.51.100.7", 22022)) == ("one", two)
            assert client.call(lambda: fetch(NODE, 22022)) == ("one", CLIENT), "nobody listens there any more"
            assert fetch(NODE, 22022)[0] == "one"


async def test_neighbours_hear_at_once_who_has_the_address_now(node: Node):
    one = await node.pod("one")
    pool = "192.0.2.201"
    listener = node.places["client"].call(
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    )
    listener.settimeout(30)
    mine = {"slipway.dev/announced-by": "node"}
    await node.put(service(type="LoadBalancer", ingress=[pool], annotations=mine), slices(one))
    announced = socket.inet_aton(pool)
    frame = next(
        frame for frame in iter(lambda: listener.recv(100), b"") if frame[28:32] == announced
    )  # others ask, too
    listener.close()
    assert frame[:6] == b"\xff" * 6
    assert frame[38:42] == announced


async def test_a_health_check_port_tells_whether_there_are_endpoints_here(node: Node):
    one = await node.pod("one")
    balanced = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30990)

    def ask() -> bytes:
        with socket.create_connection((NODE, 30990), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(1000), b""))

    await node.put(balanced, slices(one))
    answer = await asyncio.to_thread(node.places["client"].call, ask)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"localEndpoints":1' in answer
    await node.put(slices(endpoint(REMOTE_POD, "node2")))
    assert (await asyncio.to_thread(node.places["client"].call, ask)).startswith(b"HTTP/1.1 503")
    await node.drop("Service", "web")
    with pytest.raises(ConnectionRefusedError):
        node.places["client"].call(ask)


async def test_traffic_stays_near_where_that_is_preferred(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    with answering(node.places["one"], "one"), answering(node.places["node2"], "far"):
        near = service(trafficDistribution="PreferSameNode")
        await node.put(near, slices(one, endpoint(REMOTE_POD, "node2")))
        assert {node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] for _ in range(15)} == {"one"}
        await node.put(slices(endpoint(REMOTE_POD, "node2")))
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80)) == ("far", two)


async def test_an_agent_that_starts_again_changes_nothing_and_goes_on(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    await node.pod("three")
    sticky = service("sticky", at=("10.196.0.11",), sessionAffinity="ClientIP")
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        await node.put(service(), slices(one), sticky, slices(one, two, service="sticky"))
        first = node.places["three"].call(lambda: fetch("10.196.0.11", 80))[0]
        lasting = node.places["three"].call(lambda: socket.create_connection((ADDRESS, 80), timeout=10))
        assert lasting.recv(100).startswith(b"one")
        generation = generation_of(node)
        again = restarted(node)
        await again.apply(node.view, frozenset(node.objects))
        assert generation_of(node) == generation, "nothing was programmed"
        assert node.places["three"].call(lambda: fetch("10.196.0.11", 80))[0] == first
        await node.put(slices(two), services=again)
        assert generation_of(node) != generation
        assert node.places["three"].call(lambda: fetch(ADDRESS, 80))[0] == "two"
        lasting.sendall(b"still there?")
        assert lasting.recv(100) == b"still there?"
        # A table that somebody else changed is replaced as a whole.
        subprocess.run(["nft", "flush", "set", "inet", again._table, "generation"], check=True)
        subprocess.run(["nft", "flush", "map", "inet", again._table, "services"], check=True)
        third = restarted(node)
        await third.apply(node.view, frozenset(node.objects))
        assert node.places["three"].call(lambda: fetch(ADDRESS, 80))[0] == "two"
        lasting.sendall(b"and now?")
        assert lasting.recv(100) == b"and now?"
        lasting.close()


def restarted(node: Node) -> Services:
    made = Services(node.settings)
    made.start([IPv4Network(CLUSTER)], own=[IPv4Network(POD_RANGE)])
    return made


def generation_of(node: Node) -> str:
    table = node.network.services._table
    return subprocess.check_output(["nft", "list", "set", "inet", table, "generation"], text=True)


async def test_the_table_comes_back_when_a_firewall_takes_it_away(node: Node):
    one = await node.pod("one")
    await node.pod("two")
    table, services = node.network.services._table, node.network.services
    with answering(node.places["one"], "one"):
        await node.put(service(), slices(one))
        poked = asyncio.Event()
        watching = asyncio.create_task(services.watch(poked.set))
        await asyncio.sleep(0)
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)
        async with asyncio.timeout(patience(60)):
            await poked.wait()
        watching.cancel()
        await services.apply(node.view, frozenset())
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] == "one"


async def test_one_change_programs_one_service(node: Node):
    one = await node.pod("one")
    many = [service(f"s{n}", at=(f"10.196.1.{n}",)) for n in range(1, 100)]
    await node.put(*many, *(slices(one, service=f"s{n}") for n in range(1, 100)))
    table = node.network.services._table
    before = Counter(subprocess.check_output(["nft", "-a", "list", "table", "inet", table], text=True).splitlines())
    await node.put(slices(one, endpoint(REMOTE_POD, "node2"), service="s7"))
    after = Counter(subprocess.check_output(["nft", "-a", "list", "table", "inet", table], text=True).splitlines())
    rules = [line for line in (after - before) if "dnat" in line]
    assert len(rules) == 1, "every other rule has the handle that it had"


async def test_what_goes_is_taken_away(node: Node):
    one = await node.pod("one")
    await node.put(service(), slices(one))
    await node.drop("Service", "web")
    await node.drop("EndpointSlice", "web-1")
    table = subprocess.check_output(["nft", "list", "table", "inet", node.network.services._table], text=True)
    assert ADDRESS not in table
    assert one not in table
    assert table_name("x") == "slipway-x-services"
