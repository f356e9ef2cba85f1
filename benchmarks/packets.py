"""What the kernel does for a packet on each way within a node, beside a bridge with Docker's rules: at any load.

    python -m benchmarks.packets [--repeat 60]

Root; a minute. `benchmarks.network` measures servers and clients as they are, and on a busy machine that says little. Here one
thread is both ends of each connection: it sends on one socket and receives on the other, and all that the kernel does in between
is done on its behalf, before `send` returns. Its own processor time is taken, and of many short runs the shortest told:
others who want the processor make runs longer, and none shorter.

A round trip is 100 bytes there and back; a bulk one 60,000; a connection is opened, accepted and closed by both ends. Docker's
bridge is made by hand, with the chains that libnetwork makes for a network of two containers, in a network namespace where
br_netfilter is on as Docker leaves it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nodeagent.network.shortcut import Shortcut
from tests.agent import services_host
from tests.agent.services_host import Place

ROUNDS, CONNECTIONS = 300, 50
SMALL, BULK = 100, 60_000
TALK, BEGIN = 8080, 8081
_NODE_PORTS = 30_000
_DOCKER = """
    iptables -N DOCKER-USER; iptables -A DOCKER-USER -j RETURN; iptables -N DOCKER
    iptables -N DOCKER-ISOLATION-STAGE-1; iptables -N DOCKER-ISOLATION-STAGE-2
    iptables -A DOCKER-ISOLATION-STAGE-1 -i dock0 ! -o dock0 -j DOCKER-ISOLATION-STAGE-2
    iptables -A DOCKER-ISOLATION-STAGE-1 -j RETURN
    iptables -A DOCKER-ISOLATION-STAGE-2 -o dock0 -j DROP; iptables -A DOCKER-ISOLATION-STAGE-2 -j RETURN
    iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
    iptables -A FORWARD -o dock0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    iptables -A FORWARD -o dock0 -j DOCKER
    iptables -A FORWARD -i dock0 ! -o dock0 -j ACCEPT; iptables -A FORWARD -i dock0 -o dock0 -j ACCEPT
    iptables -t nat -N DOCKER; iptables -t nat -A DOCKER -i dock0 -j RETURN
    iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
    iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
    iptables -t nat -A POSTROUTING -s 172.30.0.0/24 ! -o dock0 -j MASQUERADE
"""


@dataclass(frozen=True)
class Way:
    title: str
    client: Place
    server: Place
    target: str
    first_port: int = TALK
    """Where `TALK` is reached; `BEGIN` is the next."""


@dataclass(frozen=True)
class Cost:
    """In microseconds of processor."""

    trip: float
    bulk: float
    connection: float


def measure(way: Way, repeat: int) -> Cost:
    listener = way.server.call(lambda: socket.create_server(("", TALK)))
    client = way.client.call(lambda: socket.create_connection((way.target, way.first_port), timeout=10))
    server, _ = listener.accept()
    with listener, client, server:
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        trip, bulk = (
            shortest(lambda: round_trip(client, server, b"x" * size), ROUNDS, repeat)  # noqa: B023 - called at once
            for size in (SMALL, BULK)
        )
    return Cost(trip, bulk, way.client.call(lambda: beginning(way, repeat)))


def beginning(way: Way, repeat: int) -> float:
    """In the client's namespace."""
    with way.server.call(lambda: socket.create_server(("", BEGIN), backlog=CONNECTIONS)) as listener:

        def begin() -> None:
            with socket.create_connection((way.target, way.first_port + 1)), listener.accept()[0]:
                pass

        return shortest(begin, CONNECTIONS, repeat)


def round_trip(one: socket.socket, other: socket.socket, payload: bytes) -> None:
    for source, target in ((one, other), (other, one)):
        source.sendall(payload)
        left = len(payload)
        while left:
            left -= len(target.recv(left))


def shortest(once: Callable[[], None], times: int, repeat: int) -> float:
    """Microseconds of this thread for one of many."""

    def run() -> float:
        before = time.thread_time_ns()
        for _ in range(times):
            once()
        return (time.thread_time_ns() - before) / times / 1000

    return min(run() for _ in range(repeat))


@contextlib.contextmanager
def docker_bridge() -> Iterator[Way]:
    names = [f"dock{number}-{os.getpid()}" for number in (2, 3)]
    run("ip link add dock0 type bridge; ip addr add 172.30.0.1/24 dev dock0; ip link set dock0 up")
    for number, name in enumerate(names, 2):
        inside = f"ip -n {name}"
        run(f"ip netns add {name}; ip link add dock{number} master dock0 up type veth peer name eth0 netns {name}")
        run(f"{inside} link set eth0 up; {inside} addr add 172.30.0.{number}/24 dev eth0")
    run(_DOCKER)
    try:
        client, server = (Place(f"/run/netns/{name}") for name in names)
        yield Way("a bridge with docker's rules", client, server, "172.30.0.3")
    finally:
        for name in names:
            run(f"ip netns del {name}")
        run("ip link del dock0; iptables -F; iptables -X; iptables -t nat -F; iptables -t nat -X")


def run(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


@contextlib.asynccontextmanager
async def slipway(segment: dict[str, Place], *, shorter: bool) -> Any:
    async with services_host.running(segment, shortcut=Shortcut(is_on=shorter)) as node:
        await node.pod("client")
        address = await node.pod("server")
        found: list[dict[str, Any]] = [{"name": str(port), "protocol": "TCP", "port": port} for port in (TALK, BEGIN)]
        asked = [{**each, "targetPort": each["port"], "nodePort": each["port"] + _NODE_PORTS} for each in found]
        await node.put(
            services_host.service(ports=asked, type="NodePort"), {**services_host.slices(address), "ports": found}
        )
        client, server = node.places["client"], node.places["server"]
        word = "the shorter way" if shorter else "the long way"
        yield [
            Way(f"pods, {word}", client, server, address),
            Way(f"service, {word}", client, server, services_host.ADDRESS),
            Way(f"node port, {word}", segment["client"], server, services_host.NODE, TALK + _NODE_PORTS),
        ]


def tell(title: str, cost: Cost, peer: Cost) -> None:
    told = [(getattr(cost, name), getattr(peer, name)) for name in ("trip", "bulk", "connection")]
    print(f"{title:<32}" + "".join(f"{own:>9.1f} us ({other / own:.2f})" for own, other in told), flush=True)


async def compare(segment: dict[str, Place], repeat: int) -> None:
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; times as good as the bridge in brackets")
    print(f"{'':<32}{'round trip':>19}{'bulk':>19}{'connection':>19}")
    with docker_bridge() as way:
        peer = measure(way, repeat)
    tell(way.title, peer, peer)
    for shorter in (False, True):
        async with slipway(segment, shorter=shorter) as ways:
            for way in ways:
                tell(way.title, measure(way, repeat), peer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=60)
    options = parser.parse_args()
    with contextlib.contextmanager(services_host.become_node)() as segment:
        asyncio.run(compare(segment, options.repeat))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this needs root")
    main()
