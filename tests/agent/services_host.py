"""A node with pods, a client outside and another node with a pod, each a network namespace: for tests of services.

client 192.0.2.50 ┐
                  ├─ segment ─ node 192.0.2.77 (this process), pods 10.177.9.0/24
node 2 192.0.2.60 ┘            its pod 10.177.20.5 is in its own namespace

By IPv6 the segment is 2001:db8:2::/64 with the same last numbers, and the pods' network fd77::/16.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nodeagent import kernel
from nodeagent.cluster import ClusterView, Key
from nodeagent.facilities import Sandbox
from nodeagent.network.pods import BridgeNetwork
from nodeagent.network.services import Services
from nodeagent.network.shortcut import Shortcut
from nodeagent.settings import Settings
from tests.agent.host import instance, pod

CLUSTER, POD_RANGE = "10.177.0.0/16", "10.177.9.0/24"
NODE, CLIENT, NODE_2, REMOTE_POD = "192.0.2.77", "192.0.2.50", "192.0.2.60", "10.177.20.5"
ADDRESS = "10.196.0.10"
CLUSTER_6, POD_RANGE_6, SERVICES_6 = "fd77::/32", "fd77:0:9::/64", "fd96::/112"
NODE_6, CLIENT_6, NODE_2_6, REMOTE_POD_6 = "2001:db8:2::77", "2001:db8:2::50", "2001:db8:2::60", "fd77:0:20::5"
ADDRESS_6 = "fd96::10"
NAMESPACES = {"client": (CLIENT, CLIENT_6), "node2": (NODE_2, NODE_2_6)}


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


def become_node() -> Iterator[dict[str, Place]]:
    """This process becomes the node, until the end."""
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
        _run(f"ip addr add {NODE_6}/64 dev br-seg nodad")
        for name, (address, address_6) in NAMESPACES.items():
            _run(f"ip link add s-{name} master br-seg up type veth peer name eth0 netns {prefix}{name}")
            inside = f"ip -n {prefix}{name}"
            _run(f"{inside} link set lo up; {inside} link set eth0 up; {inside} addr add {address}/24 dev eth0")
            _run(f"{inside} addr add {address_6}/64 dev eth0 nodad")
        _run(
            f"ip -n {prefix}node2 addr add {REMOTE_POD}/32 dev lo; ip -n {prefix}node2 route add {POD_RANGE} via {NODE}"
        )
        _run(f"ip route add 10.177.20.0/24 via {NODE_2}")
        second = f"ip -n {prefix}node2 -6"
        _run(f"{second} addr add {REMOTE_POD_6}/128 dev lo nodad; {second} route add {POD_RANGE_6} via {NODE_6}")
        _run(f"ip -6 route add fd77:0:20::/64 via {NODE_2_6}")
        yield {name: Place(f"/run/netns/{prefix}{name}") for name in NAMESPACES}
    finally:
        kernel.setns(before, kernel.CLONE_NEWNET)
        os.close(before)
        for name in NAMESPACES:
            _run(f"ip netns del {prefix}{name}")


segment = pytest.fixture(become_node, scope="module", name="segment")


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
        """Its first address."""
        sandbox = self.sandboxes[name] = await self.network.create(pod(spec or None), hostname=name)
        self.places[name] = Place(str(sandbox.network))
        return sandbox.addresses[0]

    async def pod6(self, name: str, **spec: Any) -> str:
        """Its address of IPv6."""
        await self.pod(name, **spec)
        return self.sandboxes[name].addresses[-1]


@contextlib.asynccontextmanager
async def running(
    segment: dict[str, Place],
    *,
    families: tuple[int, ...] = (4,),
    shortcut: Shortcut | None = None,
    **settings_: Any,
) -> Any:
    ranges = {4: (POD_RANGE, CLUSTER), 6: (POD_RANGE_6, CLUSTER_6)}
    with instance() as plain:
        settings = type(plain)(**{**vars(plain), **settings_})
        network = BridgeNetwork(settings, shortcut=shortcut)
        await network.start(
            pod_cidrs=[ranges[each][0] for each in families], cluster_cidrs=[ranges[each][1] for each in families]
        )
        try:
            yield Node(network, settings, dict(segment))
        finally:
            await network.close()
            await network.remove_everything()
            tables = subprocess.check_output(["nft", "list", "tables"], text=True)
            assert settings.instance not in tables


@pytest.fixture
async def node(segment: dict[str, Place]) -> Any:
    async with running(segment) as made:
        yield made


@pytest.fixture
async def dual(segment: dict[str, Place]) -> Any:
    """A node of both families."""
    async with running(segment, families=(4, 6)) as made:
        await made.put({"kind": "Cluster", "metadata": {"name": "cluster"}, "spec": {"serviceNetwork": SERVICES_6}})
        yield made


def service(
    name: str = "web",
    *,
    ports: Any = None,
    ingress: Any = (),
    annotations: Any = None,
    at: tuple[str, ...] = (ADDRESS,),
    **spec: Any,
) -> Any:
    ports = ports or [{"name": "", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    spec = {"type": "ClusterIP", "clusterIP": at[0], "clusterIPs": list(at), "ports": ports, **spec}
    metadata = {"namespace": "default", "name": name, "uid": name, "annotations": annotations or {}}
    return {"kind": "Service", "metadata": metadata, "spec": spec, "status": {"ingress": list(ingress)}}


def slices(*endpoints: Any, service: str = "web", protocol: str = "TCP", port: int = 8080) -> Any:
    """Of IPv4, or of IPv6 where the endpoints are."""
    labels = {"kubernetes.io/service-name": service}
    made = [each if isinstance(each, dict) else endpoint(each) for each in endpoints]
    six = any(":" in each["addresses"][0] for each in made)
    return {
        "kind": "EndpointSlice",
        "metadata": {"namespace": "default", "name": f"{service}-{6 if six else 1}", "labels": labels},
        "addressType": "IPv6" if six else "IPv4",
        "ports": [{"name": "", "protocol": protocol, "port": port}],
        "endpoints": made,
    }


def endpoint(address: str, node: str = "node", **conditions: bool) -> Any:
    return {"addresses": [address], "nodeName": node, "conditions": {"ready": True, **conditions}}


@contextlib.contextmanager
def answering(place: Place | None, name: str, port: int = 8080, address: str = "0.0.0.0") -> Iterator[None]:
    """Says its name and the peer's address to whoever connects, then repeats what it hears."""
    make = lambda: socket.create_server((address, port), family=_family(address))  # noqa: E731
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
                connection, peer = listener.accept()
                threads.append(threading.Thread(target=talk, args=(connection, peer[0]), daemon=True))
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
def answering_udp(place: Place, name: str, port: int = 8080, address: str = "0.0.0.0") -> Iterator[None]:
    def make() -> socket.socket:
        made = socket.socket(_family(address), socket.SOCK_DGRAM)
        made.bind((address, port))
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


def fetch(address: str, port: int, *, timeout: float = 10) -> tuple[str, str]:
    """(who answered, whom it saw)"""
    with socket.create_connection((address, port), timeout=timeout) as connection:
        name, _, peer = connection.makefile().readline().strip().partition(" ")
        return name, peer


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
