"""Services on a real kernel: a node with two pods, a client outside, another node with a pod, each a network namespace.

client 192.0.2.50 ┐
                  ├─ segment ─ node 192.0.2.77 (this process), pods 10.177.9.0/24
node 2 192.0.2.60 ┘            its pod 10.177.20.5 is in its own namespace
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from nodeagent import kernel
from nodeagent.cluster import ClusterView, Key
from nodeagent.facilities import Sandbox
from nodeagent.network.pods import BridgeNetwork
from nodeagent.network.services import Services, table_name
from nodeagent.settings import Settings
from tests.agent.host import instance, needs_host, pod

pytestmark = needs_host

CLUSTER, POD_RANGE = "10.177.0.0/16", "10.177.9.0/24"
NODE, CLIENT, NODE_2, REMOTE_POD = "192.0.2.77", "192.0.2.50", "192.0.2.60", "10.177.20.5"
ADDRESS = "10.196.0.10"
NAMESPACES = {"client": CLIENT, "node2": NODE_2}


@dataclass(frozen=True)
class Place:
    """A network namespace."""

    path: str

    def call(self, function: Callable[[], Any]) -> Any:
        """In a thread inside it; a socket made there belongs there for good."""

        def body() -> Any:
            with Path(self.path).open() as namespace:
                kernel.setns(namespace.fileno(), kernel.CLONE_NEWNET)
            return function()

        with ThreadPoolExecutor(1) as threads:
            return threads.submit(body).result()


@pytest.fixture(scope="module")
def segment() -> Iterator[dict[str, Place]]:
    """This process becomes the node."""
    prefix = f"svc{os.getpid()}"
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    for name in NAMESPACES:
        _run(f"ip netns add {prefix}{name}")
    kernel.unshare(kernel.CLONE_NEWNET)
    try:
        _run(
            "ip link set lo up; ip link add br-seg type bridge; ip link set br-seg up; sysctl -qw net.ipv4.ip_forward=1"
        )
        _run(f"ip addr add {NODE}/24 dev br-seg; ip route add default via 192.0.2.1")
        for name, address in NAMESPACES.items():
            _run(f"ip link add s-{name} master br-seg up type veth peer name eth0 netns {prefix}{name}")
            inside = f"ip -n {prefix}{name}"
            _run(f"{inside} link set lo up; {inside} link set eth0 up; {inside} addr add {address}/24 dev eth0")
        _run(
            f"ip -n {prefix}node2 addr add {REMOTE_POD}/32 dev lo; ip -n {prefix}node2 route add {POD_RANGE} via {NODE}"
        )
        _run(f"ip route add 10.177.20.0/24 via {NODE_2}")
        yield {name: Place(f"/run/netns/{prefix}{name}") for name in NAMESPACES}
    finally:
        kernel.setns(before, kernel.CLONE_NEWNET)
        os.close(before)
        for name in NAMESPACES:
            _run(f"ip netns del {prefix}{name}")


def _run(script: str) -> None:
    subprocess.run(script, shell=True, check=True)


@dataclass
class Node:
    network: BridgeNetwork
    settings: Settings
    places: dict[str, Place]
    objects: dict[Key, Any] = field(default_factory=dict)
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)

    @property
    def view(self) -> ClusterView:
        return ClusterView(list(self.objects.values()))

    async def put(self, *wires: Any, services: Services | None = None) -> None:
        changed = set()
        for wire in wires:
            key = Key(wire["kind"], wire["metadata"].get("namespace", ""), wire["metadata"]["name"])
            self.objects[key] = wire
            changed.add(key)
        await (services or self.network.services).apply(self.view, frozenset(changed))

    async def drop(self, kind: str, name: str) -> None:
        key = Key(kind, "default", name)
        del self.objects[key]
        await self.network.services.apply(self.view, frozenset([key]))

    async def pod(self, name: str, **spec: Any) -> str:
        sandbox = self.sandboxes[name] = await self.network.create(pod(spec or None), hostname=name)
        self.places[name] = Place(str(sandbox.network))
        return sandbox.addresses[0]


@pytest.fixture
async def node(segment: dict[str, Place]) -> Any:
    with instance() as settings:
        network = BridgeNetwork(settings)
        await network.start(pod_cidrs=[POD_RANGE], cluster_cidrs=[CLUSTER])
        try:
            yield Node(network, settings, dict(segment))
        finally:
            await network.close()
            await network.remove_everything()
            tables = subprocess.check_output(["nft", "list", "tables"], text=True)
            assert settings.instance not in tables


def service(name: str = "web", *, ports: Any = None, ingress: Any = (), annotations: Any = None, **spec: Any) -> Any:
    ports = ports or [{"name": "", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    spec = {"type": "ClusterIP", "clusterIP": ADDRESS, "clusterIPs": [ADDRESS], "ports": ports, **spec}
    metadata = {"namespace": "default", "name": name, "uid": name, "annotations": annotations or {}}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"ingress": list(ingress)}}


def slices(*endpoints: Any, service: str = "web", protocol: str = "TCP", port: int = 8080) -> Any:
    labels = {"kubernetes.io/service-name": service}
    return {
        "kind": "EndpointSlice",
        "metadata": {"namespace": "default", "name": f"{service}-1", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "", "protocol": protocol, "port": port}],
        "endpoints": [each if isinstance(each, dict) else endpoint(each) for each in endpoints],
    }


def endpoint(address: str, node: str = "node", **conditions: bool) -> Any:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True, **conditions}}


@contextlib.contextmanager
def answering(place: Place | None, name: str, port: int = 8080, address: str = "0.0.0.0") -> Iterator[None]:
    """Says its name and the peer's address to whoever connects, then repeats what it hears."""
    make = lambda: socket.create_server((address, port))  # noqa: E731
    listener = place.call(make) if place else make()
    threads: list[threading.Thread] = []

    def talk(connection: socket.socket, peer: str) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(f"{name} {peer}\n".encode())
            while heard := connection.recv(100):
                connection.sendall(heard)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, (peer, _) = listener.accept()
                threads.append(threading.Thread(target=talk, args=(connection, peer), daemon=True))
                threads[-1].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


@contextlib.contextmanager
def answering_udp(place: Place, name: str, port: int = 8080) -> Iterator[None]:
    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("0.0.0.0", port))
        return made

    listener = place.call(make)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while (peer := listener.recvfrom(100)[1]) is not None:
                listener.sendto(f"{name} {peer[0]}".encode(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # not connected, it says, and wakes the thread
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def fetch(address: str, port: int, *, timeout: float = 2) -> tuple[str, str]:
    """(who answered, whom it saw)"""
    with socket.create_connection((address, port), timeout=timeout) as connection:
        name, _, peer = connection.makefile().readline().strip().partition(" ")
        return name, peer


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
    with instance() as settings:
        network = BridgeNetwork(type(settings)(**{**vars(settings), "node_port_addresses": "127.0.0.0/8"}))
        await network.start(pod_cidrs=[POD_RANGE], cluster_cidrs=[CLUSTER])
        node = Node(network, settings, dict(segment))
        try:
            one = await node.pod("one")
            ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30080}]
            with answering(node.places["one"], "one"):
                await node.put(service(type="NodePort", ports=ports), slices(one))
                assert fetch("127.0.0.1", 30080)[0] == "one"
                with pytest.raises(ConnectionRefusedError):
                    node.places["client"].call(lambda: fetch(NODE, 30080))
        finally:
            await network.remove_everything()


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


async def test_udp_clients_move_when_their_endpoint_goes(node: Node):
    one, two = await node.pod("one"), await node.pod("two")
    await node.pod("three")
    ports = [{"name": "", "protocol": "UDP", "port": 53}]

    def ask(client: socket.socket) -> str:
        client.sendto(b"?", (ADDRESS, 53))
        return client.recv(100).decode()

    def bound() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.settimeout(2)
        return made

    with answering_udp(node.places["one"], "one"), answering_udp(node.places["two"], "two"):
        await node.put(service(ports=ports), slices(protocol="UDP"))
        client = node.places["three"].call(bound)
        client.connect((ADDRESS, 53))
        client.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)
        client.close()
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
        lasting = client.call(lambda: socket.create_connection((ADDRESS, 80), timeout=2))
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


async def test_neighbours_hear_at_once_who_has_the_address_now(node: Node):
    one = await node.pod("one")
    pool = "192.0.2.201"
    listener = node.places["client"].call(
        lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
    )
    listener.settimeout(2)
    mine = {"slipway.dev/announced-by": "node"}
    await node.put(service(type="LoadBalancer", ingress=[pool], annotations=mine), slices(one))
    frame = listener.recv(100)
    listener.close()
    assert frame[:6] == b"\xff" * 6
    assert frame[28:32] == frame[38:42] == socket.inet_aton(pool)


async def test_a_health_check_port_tells_whether_there_are_endpoints_here(node: Node):
    one = await node.pod("one")
    balanced = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30990)

    def ask() -> bytes:
        with socket.create_connection((NODE, 30990), timeout=2) as connection:
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
    sticky = service("sticky", clusterIP="10.196.0.11", clusterIPs=["10.196.0.11"], sessionAffinity="ClientIP")
    with answering(node.places["one"], "one"), answering(node.places["two"], "two"):
        await node.put(service(), slices(one), sticky, slices(one, two, service="sticky"))
        first = node.places["three"].call(lambda: fetch("10.196.0.11", 80))[0]
        lasting = node.places["three"].call(lambda: socket.create_connection((ADDRESS, 80), timeout=2))
        assert lasting.recv(100).startswith(b"one")
        generation = _generation(node)
        again = restarted(node)
        await again.apply(node.view, frozenset(node.objects))
        assert _generation(node) == generation, "nothing was programmed"
        assert node.places["three"].call(lambda: fetch("10.196.0.11", 80))[0] == first
        await node.put(slices(two), services=again)
        assert _generation(node) != generation
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
    made.start([IPv4Network(CLUSTER)])
    return made


def _generation(node: Node) -> str:
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
        async with asyncio.timeout(5):
            await poked.wait()
        watching.cancel()
        await services.apply(node.view, frozenset())
        assert node.places["two"].call(lambda: fetch(ADDRESS, 80))[0] == "one"


async def test_one_change_programs_one_service(node: Node):
    one = await node.pod("one")
    many = [service(f"s{n}", clusterIP=f"10.196.1.{n}", clusterIPs=[f"10.196.1.{n}"]) for n in range(1, 100)]
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
