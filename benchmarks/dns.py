"""How fast the node's DNS answers: queries per second, and how long one takes.

    python -m benchmarks.dns [--services 1000] [--queries 50000]

The server runs in a process of its own, as in the agent. ``at once`` keeps 64 questions waiting; ``one by one`` asks the next
when the last is answered. Where dnsmasq is installed, it answers the same names from a hosts file beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import dns.message

from nodeagent.cluster import ClusterView, Key
from nodeagent.errors import HostConflict
from nodeagent.network.dns.server import Server
from nodeagent.network.dns.upstream import Upstream
from nodeagent.network.dns.zone import KINDS, Zone
from schema.base import Wire

WINDOW = 64
ADDRESS = "127.0.0.1"


def names(services: int) -> list[str]:
    return [f"service-{n}.default.svc.cluster.local" for n in range(services)]


def _address(number: int) -> str:
    return f"10.96.{number // 250}.{number % 250 + 1}"


def _wires(services: int) -> list[Wire]:
    return [
        {
            "kind": "Service",
            "metadata": {"name": f"service-{n}", "namespace": "default"},
            "spec": {"clusterIP": _address(n), "ports": [{"name": "http", "port": 80}]},
        }
        for n in range(services)
    ]


def _serve(services: int, told: Connection) -> None:
    async def run() -> None:
        view, zone = ClusterView(_wires(services)), Zone()
        began = time.perf_counter()
        zone.apply(view, [Key(kind, *name) for kind in KINDS for name in view.all(kind)])
        whole = time.perf_counter() - began
        began = time.perf_counter()
        zone.apply(view, [Key("Service", "default", "service-0")])
        server = Server(zone, Upstream(list), port=0)
        one = time.perf_counter() - began
        while not server.port:
            with contextlib.suppress(HostConflict):  # the port that UDP was given may be another's in TCP
                await server.listen([ADDRESS])
        told.send((server.port, whole, one))
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def ours(services: int) -> Iterator[int]:
    mine, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(services, theirs), daemon=True)
    process.start()
    try:
        port, whole, one = mine.recv()
        print(f"zone of {services} services: {whole * 1000:.1f} ms; a change: {one * 1000:.3f} ms")
        yield port
    finally:
        process.kill()
        process.join()


@contextmanager
def dnsmasq(services: int) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        hosts = Path(directory, "hosts")
        hosts.write_text("".join(f"{_address(n)} {name}\n" for n, name in enumerate(names(services))))
        options = f"--no-daemon --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts={hosts} --bind-interfaces"
        command = ["dnsmasq", *options.split(), f"--listen-address={ADDRESS}", f"--port={port}", "--user=root"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield port
        finally:
            process.kill()
            process.wait()


def at_once(port: int, queries: list[bytes], total: int) -> float:
    """Queries per second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(2)
        own.connect((ADDRESS, port))
        began = time.perf_counter()
        for number in range(total + WINDOW):
            if number < total:
                own.send(queries[number % len(queries)])
            if number >= WINDOW:
                own.recv(1500)
        return total / (time.perf_counter() - began)


def one_by_one(port: int, queries: list[bytes], total: int) -> list[float]:
    """Milliseconds of each."""
    took = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(2)
        own.connect((ADDRESS, port))
        for number in range(total):
            began = time.perf_counter()
            own.send(queries[number % len(queries)])
            own.recv(1500)
            took.append((time.perf_counter() - began) * 1000)
    return sorted(took)


def measure(name: str, port: int, queries: list[bytes], total: int) -> None:
    at_once(port, queries, len(queries))  # each name once
    rate = at_once(port, queries, total)
    took = one_by_one(port, queries, min(total, 10_000))
    print(
        f"{name:10} at once {rate:8.0f}/s   one by one p50 {statistics.median(took):.3f} ms  "
        f"p99 {took[len(took) * 99 // 100]:.3f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--services", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=50_000)
    options = parser.parse_args()
    queries = [dns.message.make_query(name, "A").to_wire() for name in names(options.services)]
    with ours(options.services) as port:
        measure("slipway", port, queries, options.queries)
    if shutil.which("dnsmasq"):
        with dnsmasq(options.services) as port:
            measure("dnsmasq", port, queries, options.queries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
