"""Services of IPv6 and of both families on a real kernel (`services_host` draws the picture)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from functools import partial
from typing import Any

import pytest

from tests.agent.host import needs_host
from tests.agent.services_host import (
    ADDRESS,
    ADDRESS_6,
    CLIENT,
    CLIENT_6,
    NODE,
    NODE_6,
    REMOTE_POD_6,
    Node,
    Place,
    answering,
    answering_udp,
    dual,
    endpoint,
    fetch,
    running,
    segment,
    service,
    slices,
)

__all__ = ["dual", "segment"]
pytestmark = needs_host

SIX = (ADDRESS_6,)
BOTH = (ADDRESS, ADDRESS_6)
NODE_PORT = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]


async def test_pods_and_the_node_reach_a_service_and_are_seen_as_they_are(dual: Node):
    one, two = await dual.pod6("one"), await dual.pod6("two")
    with answering(dual.places["one"], "one", address="::"), answering(dual.places["two"], "two", address="::"):
        await dual.put(service(at=SIX), slices(one, two))
        answers = [dual.places["two"].call(lambda: fetch(ADDRESS_6, 80)) for _ in range(30)]
        assert {name for name, _ in answers} == {"one", "two"}
        assert ("one", two) in answers, "a pod is seen by its own address"
        assert {peer for name, peer in answers if name == "two"} == {"fd77:0:9::1"}, "but where it reached itself"
        assert {fetch(ADDRESS_6, 80)[0] for _ in range(12)} == {"one", "two"}


async def test_each_family_leads_to_the_endpoints_of_its_own(dual: Node):
    await dual.pod("one")
    await dual.pod("two")
    four, six = dual.sandboxes["one"].addresses
    with answering(dual.places["one"], "four"), answering(dual.places["one"], "six", address=six):
        await dual.put(service(at=BOTH, type="NodePort", ports=NODE_PORT), slices(four), slices(six))
        for place, pod in (("client", False), ("two", True)):
            asked = [(NODE, 30080, "four"), (NODE_6, 30080, "six")] + (
                [(ADDRESS, 80, "four"), (ADDRESS_6, 80, "six")] if pod else []
            )
            for address, port, name in asked:
                assert dual.places[place].call(partial(fetch, address, port))[0] == name
        await dual.drop("EndpointSlice", "web-6")
        assert fetch(ADDRESS, 80)[0] == "four"
        with pytest.raises(ConnectionRefusedError):
            fetch(ADDRESS_6, 80)


async def test_a_node_port_answers_everybody_and_shows_the_client(dual: Node):
    one, two = await dual.pod6("one"), await dual.pod6("two")
    with answering(dual.places["one"], "one", address="::"):
        await dual.put(service(at=SIX, type="NodePort", ports=NODE_PORT), slices(one))
        assert dual.places["client"].call(lambda: fetch(NODE_6, 30080)) == ("one", CLIENT_6)
        assert dual.places["two"].call(lambda: fetch(NODE_6, 30080)) == ("one", two)
        assert dual.places["one"].call(lambda: fetch(NODE_6, 30080))[0] == "one"
        assert fetch(NODE_6, 30080)[0] == "one"
        for address, port in ((NODE_6, 30081), (NODE, 30080)):
            with pytest.raises(ConnectionRefusedError):
                dual.places["client"].call(partial(fetch, address, port))
        with pytest.raises(ConnectionRefusedError):
            fetch("::1", 30080)


async def test_a_remote_endpoint_sees_pods_untranslated_and_clients_from_outside_as_this_node(dual: Node):
    one = await dual.pod6("one")
    with answering(dual.places["node2"], "far", address="::"):
        await dual.put(service(at=SIX, type="NodePort", ports=NODE_PORT), slices(endpoint(REMOTE_POD_6, "node2")))
        assert dual.places["one"].call(lambda: fetch(ADDRESS_6, 80)) == ("far", one)
        assert dual.places["client"].call(lambda: fetch(NODE_6, 30080)) == ("far", NODE_6)
        assert fetch(ADDRESS_6, 80)[0] == "far"


async def test_node_ports_answer_only_in_the_families_they_are_asked_to(segment: dict[str, Place]):
    async with running(segment, families=(4, 6), node_port_addresses=f"192.0.2.0/24,{CLIENT_6}/128") as dual:
        one, six = (await dual.pod("one")), dual.sandboxes["one"].addresses[1]
        with answering(dual.places["one"], "one"), answering(dual.places["one"], "one", address=six):
            await dual.put(service(at=BOTH, type="NodePort", ports=NODE_PORT), slices(one), slices(six))
            assert dual.places["client"].call(lambda: fetch(NODE, 30080)) == ("one", CLIENT)
            with pytest.raises(ConnectionRefusedError):
                dual.places["client"].call(lambda: fetch(NODE_6, 30080))


async def test_local_policies_and_affinity(dual: Node):
    one = await dual.pod6("one")
    await dual.pod("two")
    local = service(at=SIX, type="NodePort", ports=NODE_PORT, externalTrafficPolicy="Local")
    sticky = service("sticky", at=("fd96::11",), sessionAffinity="ClientIP")
    with answering(dual.places["one"], "one", address="::"), answering(dual.places["node2"], "far", address="::"):
        await dual.put(local, slices(one, endpoint(REMOTE_POD_6, "node2")))
        assert {dual.places["client"].call(lambda: fetch(NODE_6, 30080)) for _ in range(10)} == {("one", CLIENT_6)}
        assert {dual.places["two"].call(lambda: fetch(NODE_6, 30080))[0] for _ in range(20)} == {"one", "far"}
        await dual.put(slices(endpoint(REMOTE_POD_6, "node2")))
        with pytest.raises(TimeoutError):
            dual.places["client"].call(lambda: fetch(NODE_6, 30080, timeout=0.3))
        await dual.put(sticky, slices(one, endpoint(REMOTE_POD_6, "node2"), service="sticky"))
        first = dual.places["two"].call(lambda: fetch("fd96::11", 80))[0]
        assert {dual.places["two"].call(lambda: fetch("fd96::11", 80))[0] for _ in range(12)} == {first}


async def test_udp_clients_move_when_their_endpoint_goes(dual: Node):
    one, two = await dual.pod6("one"), await dual.pod6("two")
    await dual.pod("three")

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.settimeout(2)
        return made

    def ask(client: socket.socket) -> str:
        client.sendto(b"?", (ADDRESS_6, 53))
        return client.recv(100).decode()

    udp = service(at=SIX, ports=[{"name": "", "protocol": "UDP", "port": 53}])
    with (
        answering_udp(dual.places["one"], "one", address="::"),
        answering_udp(dual.places["two"], "two", address="::"),
    ):
        client = dual.places["three"].call(bound)
        await dual.put(udp, slices(one, protocol="UDP"))
        assert ask(client).startswith("one ")
        await dual.put(slices(two, protocol="UDP"))
        assert ask(client).startswith("two "), "the same socket, whose flow was tracked"
        client.close()


async def test_a_load_balancers_address_is_announced_guarded_and_given_up(dual: Node):
    one = await dual.pod6("one")
    pool, mine = "2001:db8:2::200", {"slipway.dev/announced-by": "node"}
    balanced: Any = {"at": SIX, "type": "LoadBalancer", "ingress": [pool], "annotations": mine}
    hearing = dual.places["client"].call(lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6))
    hearing.settimeout(2)
    with hearing, answering(dual.places["one"], "one", address="::"), answering(None, "own", port=22022, address="::"):
        await dual.put(service(**balanced), slices(one))
        advertisements = (hearing.recvfrom(200) for _ in range(20))
        heard = next(data for data, sender in advertisements if data[0] == 136 and sender[0] == pool)
        assert heard[8:24] == socket.inet_pton(socket.AF_INET6, pool)
        assert dual.places["client"].call(lambda: fetch(pool, 80)) == ("one", CLIENT_6)
        assert dual.places["client"].call(lambda: fetch(NODE_6, 22022))[0] == "own"
        with pytest.raises(TimeoutError):
            dual.places["client"].call(lambda: fetch(pool, 22022, timeout=0.3))
        for ranges, answers in (([f"{CLIENT_6}/128", "2001:db8:2::/120"], True), (["2001:db8:9::/64"], False)):
            await dual.put(service(**balanced, loadBalancerSourceRanges=ranges))
            if answers:
                assert dual.places["client"].call(lambda: fetch(pool, 80)) == ("one", CLIENT_6)
            else:
                with pytest.raises(TimeoutError):
                    dual.places["client"].call(lambda: fetch(pool, 80, timeout=0.3))
        await dual.put(service(**{**balanced, "annotations": {"slipway.dev/announced-by": "node2"}}))
        assert pool not in subprocess.check_output(["ip", "addr", "show", "br-seg"], text=True)


async def test_a_health_check_port_counts_a_pod_of_both_families_once(dual: Node):
    await dual.pod("one")
    four, six = dual.sandboxes["one"].addresses
    checked = service(at=BOTH, type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30990)
    await dual.put(checked, slices(four), slices(six))

    def ask() -> bytes:
        with socket.create_connection((NODE, 30990), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(1000), b""))

    assert b'"localEndpoints":1' in await asyncio.to_thread(dual.places["client"].call, ask)
