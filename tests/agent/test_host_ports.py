"""Published ports of pods on a real kernel, beside services (`services_host` draws the picture)."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import pytest

from nodeagent.cluster import Key
from nodeagent.errors import HostConflict
from nodeagent.network import host_ports
from nodeagent.network.host_ports import PublishedPort
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import needs_host
from tests.agent.services_host import (
    ADDRESS,
    CLIENT,
    CLIENT_6,
    CLUSTER,
    NODE,
    NODE_6,
    POD_RANGE,
    Node,
    answering,
    answering_udp,
    dual,
    fetch,
    node,
    segment,
    service,
    slices,
)
from tests.agent.test_services_host import generation_of

__all__ = ["dual", "node", "segment"]
pytestmark = needs_host


def ports(*wanted: dict[str, Any]) -> Any:
    return [{"name": "c", "image": "i", "ports": [{"containerPort": 8080, **each} for each in wanted]}]


async def test_a_port_answers_in_both_families_and_shows_the_client(dual: Node):
    await dual.pod("one", containers=ports({"hostPort": 18090}))
    two = await dual.pod("two")
    six = dual.sandboxes["one"].addresses[1]
    with answering(dual.places["one"], "four"), answering(dual.places["one"], "six", address=six):
        assert dual.places["client"].call(lambda: fetch(NODE, 18090)) == ("four", CLIENT)
        assert dual.places["client"].call(lambda: fetch(NODE_6, 18090)) == ("six", CLIENT_6)
        assert dual.places["two"].call(lambda: fetch(NODE, 18090)) == ("four", two)
        assert dual.places["one"].call(lambda: fetch(NODE_6, 18090))[0] == "six", "a pod reaches itself"
        assert (fetch("127.0.0.1", 18090)[0], fetch(NODE_6, 18090)[0]) == ("four", "six")
        await dual.network.delete(dual.sandboxes["one"].pod_uid)
        for address in (NODE, NODE_6):
            with pytest.raises(ConnectionRefusedError):
                dual.places["client"].call(partial(fetch, address, 18090))


@pytest.mark.parametrize(("host", "other"), [(NODE_6, NODE), (NODE, NODE_6), (NODE, "127.0.0.1")])
async def test_a_port_at_one_address_answers_nowhere_else(dual: Node, host: str, other: str):
    await dual.pod("one", containers=ports({"hostPort": 18091, "hostIP": host}))
    with answering(dual.places["one"], "one", address="::"), answering(dual.places["one"], "one", port=8081):
        if ":" in host:
            assert dual.places["client"].call(lambda: fetch(host, 18091)) == ("one", CLIENT_6)
        with pytest.raises(ConnectionRefusedError):
            fetch(other, 18091)


async def test_a_port_of_a_service_is_a_conflict_that_names_it(node: Node):
    one = await node.pod("one")
    numbers = [{"name": "", "protocol": "TCP", "port": 18092, "nodePort": 30080}]
    await node.put(service(type="LoadBalancer", ports=numbers, ingress=[NODE]), slices(one))
    for number in (30080, 18092):
        with pytest.raises(HostConflict, match=f"{number}.*default/web"):
            await node.pod("two", containers=ports({"hostPort": number}))
    await node.pod("two", containers=ports({"hostPort": 30080, "protocol": "UDP"}, {"hostPort": 18093}))


async def test_a_service_at_the_address_goes_before_a_published_port(node: Node):
    """Who came later: the conflict is told to who asks for the port of another, and decided alike for ever."""
    await node.pod("one", containers=ports({"hostPort": 18094}))
    two = await node.pod("two")
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        assert node.places["client"].call(lambda: fetch(NODE, 18094))[0] == "one"
        numbers = [{"name": "", "protocol": "TCP", "port": 18094}]
        await node.put(service(ports=numbers, externalIPs=[NODE]), slices(two))
        assert node.places["client"].call(lambda: fetch(NODE, 18094))[0] == "two"
        await node.drop("Service", "web")
        assert node.places["client"].call(lambda: fetch(NODE, 18094))[0] == "one"


async def test_an_agent_that_starts_again_keeps_ports_and_services(node: Node):
    await node.pod("one", containers=ports({"hostPort": 18095}))
    two, three = await node.pod("two"), await node.pod("three")
    in_three = answering(node.places["three"], "three")
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"), in_three:
        await node.put(service(), slices(two))
        before = generation_of(node)
        again = BridgeNetwork(node.settings)
        await again.start(pod_cidrs=[POD_RANGE], cluster_cidrs=[CLUSTER])
        # A port comes before the services are known to the new agent: theirs stay.
        port = PublishedPort("tcp", "", 18096, 8080)
        await again.services.publish("another", host_ports.program([three], [port]))
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] == "two"
        assert [fetch(NODE, each)[0] for each in (18095, 18096)] == ["one", "three"]
        await again.services.publish("another", None)
        after = generation_of(node)
        assert after != before
        await again.services.apply(node.view, frozenset(node.objects))
        assert generation_of(node) == after, "nothing else was programmed"
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] == "two"
        # What has gone meanwhile is taken away.
        await again.services.apply(type(node.view)([]), frozenset([Key("Service", "default", "web")]))
        assert fetch(NODE, 18095)[0] == "one"
        with pytest.raises((ConnectionRefusedError, TimeoutError)):
            node.places["two"].call(lambda: fetch(ADDRESS, 80, timeout=0.3))


async def test_udp_clients_move_with_the_port(node: Node):
    wanted = ports({"hostPort": 18097, "protocol": "UDP"})
    await node.pod("one", containers=wanted)

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(2)
        return made

    client = node.places["client"].call(bound)
    with client:
        for name in ("one", "two"):
            with answering_udp(node.places[name], name):
                client.sendto(b"?", (NODE, 18097))
                assert client.recv(100).decode() == f"{name} {CLIENT}"
            await node.network.delete(node.sandboxes[name].pod_uid)
            if name == "one":
                await node.pod("two", containers=wanted)
