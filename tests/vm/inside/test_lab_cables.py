"""`lab --latency 20ms --loss 1%`: what the lab makes of it, measured, by a kernel that has netem."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from controlplane.instance.lab import plan
from controlplane.instance.lab.devices import INSIDE, Devices, Port, opened
from controlplane.instance.lab.state import Lab, Node
from nodeagent import kernel

INSTANCE, NAMESPACE = "0badcafe", Path("/run/netns/cable")
LAB = Lab(IPv4Network("10.230.9.0/24"), (Node("node-2", 2, plan.parse_link("20ms", "1%")),))
DATAGRAMS = 5000


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """This machine's end of the bridge, with one node at the other end of the cable."""
    subprocess.run(["ip", "netns", "add", NAMESPACE.name], check=True)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(connect).result()
    subprocess.run(["nft", "-f", "-"], input=plan.rules(LAB, INSTANCE, primary="node-1"), text=True, check=True)
    yield str(LAB.gateway)
    subprocess.run(["nft", "-f", "-"], input=plan.remove_rules(INSTANCE), text=True, check=True)
    subprocess.run(["ip", "netns", "del", NAMESPACE.name], check=True)
    subprocess.run(["ip", "link", "del", plan.bridge_name(INSTANCE)], check=True)


def connect() -> None:
    """In a thread: pyroute2 runs an event loop of its own."""
    (node,) = LAB.nodes
    here = Devices()
    own = plan.interface_name(INSTANCE, node.name)
    port = Port(own, NAMESPACE, LAB.address(node), LAB.gateway, "0a:00:00:00:09:02")
    interface = f"{LAB.gateway}/{LAB.network.prefixlen}"
    bridge = here.ensure_bridge(plan.bridge_name(INSTANCE), IPv4Interface(interface), "0a:00:00:00:09:01")
    here.ensure_port(bridge, port)
    here.close()
    with opened(NAMESPACE) as inside:
        inside.shape(INSIDE, latency_ms=node.link.latency_ms, bandwidth_bits=node.link.bandwidth_bits)


def from_node(function: Any) -> Any:
    """Called in a thread within the node's namespace."""

    def body() -> Any:
        with NAMESPACE.open() as namespace:
            kernel.setns(namespace.fileno(), kernel.CLONE_NEWNET)
        return function()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(body).result()


def test_what_a_node_sends_is_delayed(gateway: str) -> None:
    with socket.create_server((gateway, 7001)):

        def connected() -> float:
            began = time.monotonic()
            while True:
                try:  # one in a hundred is lost, and asked again after a second
                    socket.create_connection((gateway, 7001), timeout=10).close()
                except TimeoutError:
                    continue
                return time.monotonic() - began

        assert min(from_node(connected) for _ in range(5)) >= 0.020


def test_one_in_a_hundred_is_lost(gateway: str) -> None:
    """Of 5000, 50 more or less: fewer than 10 or more than 150 would be five times the deviation off and more."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((gateway, 7002))
        server.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE: none is to be lost here
        server.settimeout(10)

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                for _ in range(DATAGRAMS):
                    own.sendto(b"x", (gateway, 7002))

        from_node(send)
        received = 0
        try:
            while True:
                server.recv(16)
                received += 1
        except TimeoutError:
            pass
    assert 10 <= DATAGRAMS - received <= 150
