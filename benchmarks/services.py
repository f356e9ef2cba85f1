"""What services cost a node: ``python -m benchmarks.services`` (root; in a network namespace of its own).

1. The time of one change (a service with one endpoint less, then more) by the agent's own code, from the cluster view to the
   kernel, with 1,000 services of 5 endpoints each; and of the first time, with all of them.
2. The way of a packet: the time of a TCP connection to the same service when there are 10 services and when there are 1,000,
   and the rules that it meets on its way (nft's trace), beside a connection to the endpoint itself.

Prints a table; ends with an error where one change takes more than 100 ms.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from nodeagent import kernel
from nodeagent.cluster import ClusterView, Key
from nodeagent.network.services import Services
from nodeagent.settings import Settings

SERVICES, ENDPOINTS = 1000, 5
LIMIT_MS = 100.0
PORT = 8080
CONNECTIONS = 3000
_HERE = "192.0.2.1"


def service(number: int) -> Any:
    address = f"10.96.{number >> 8}.{number & 255}"
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30000 + number}]
    spec = {"type": "NodePort", "clusterIP": address, "clusterIPs": [address], "ports": ports}
    return {"kind": "Service", "metadata": {"namespace": "default", "name": f"s{number}"}, "spec": spec, "status": {}}


def slices(number: int, count: int) -> Any:
    first = number * ENDPOINTS
    addresses = [f"10.244.{(first + each) >> 8 & 255}.{(first + each) & 255}" for each in range(count)]
    if number == 1:
        addresses = [_HERE]
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": f"s{number}",
            "labels": {"kubernetes.io/service-name": f"s{number}"},
        },
        "addressType": "IPv4",
        "ports": [{"name": "", "protocol": "TCP", "port": PORT}],
        "endpoints": [{"addresses": [each], "nodeName": f"node-{n % 3}"} for n, each in enumerate(addresses)],
    }


def objects(count: int) -> dict[Key, Any]:
    wires = [make(n) for n in range(1, count + 1) for make in (service, lambda n: slices(n, ENDPOINTS))]
    return {Key(each["kind"], "default", each["metadata"]["name"]): each for each in wires}


class Programmed:
    def __init__(self, directory: Path, count: int) -> None:
        self.services = Services(
            Settings(
                home=directory / "home",
                run_dir=directory,
                server="",
                token="",
                ca_file=None,
                node_name="node-0",
                cgroup_parent="",
            )
        )
        self.services.start([IPv4Network("10.244.0.0/16")], own=[IPv4Network("10.244.0.0/24")])
        self.objects = objects(count)

    async def change(self, number: int, endpoints: int) -> float:
        """Milliseconds."""
        wire = slices(number, endpoints)
        key = Key("EndpointSlice", "default", wire["metadata"]["name"])
        self.objects[key] = wire
        return await self.apply(frozenset([key]))

    async def apply(self, changed: frozenset[Key]) -> float:
        view = ClusterView(list(self.objects.values()))
        start = time.perf_counter()
        await self.services.apply(view, changed)
        return (time.perf_counter() - start) * 1000


async def changes(directory: Path) -> tuple[float, list[float]]:
    programmed = Programmed(directory, SERVICES)
    first = await programmed.apply(frozenset(programmed.objects))
    times = [await programmed.change(500 + n, ENDPOINTS - 1 + n % 2) for n in range(40)]
    times += [await programmed.change(500 + n, ENDPOINTS - n % 2) for n in range(40)]
    await programmed.services.remove_everything()
    return first, times


async def path(directory: Path, count: int) -> tuple[float, int]:
    """Microseconds of a connection by way of the service, and how many rules it met."""
    programmed = Programmed(directory, count)
    await programmed.apply(frozenset(programmed.objects))
    latency = await asyncio.to_thread(connect, "10.96.0.1", 80)
    rules = await asyncio.to_thread(traced, programmed.services._table)
    await programmed.services.remove_everything()
    return latency, rules


def connect(address: str, port: int) -> float:
    times = []
    for _ in range(CONNECTIONS):
        start = time.perf_counter()
        socket.create_connection((address, port), timeout=2).close()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def traced(table: str) -> int:
    """How many of the table's rules the first packet of a connection met, by the kernel's own account."""
    hook = "type filter hook output priority -300;"
    script = f"table ip trace {{ chain out {{\n{hook}\ntcp flags syn meta nftrace set 1\n}}\n}}"
    subprocess.run(["nft", script], check=True)
    with subprocess.Popen(["nft", "monitor", "trace"], stdout=subprocess.PIPE, text=True) as monitor:
        time.sleep(0.3)
        socket.create_connection(("10.96.0.1", 80), timeout=2).close()
        time.sleep(0.3)
        monitor.terminate()
        lines = monitor.stdout.read().splitlines() if monitor.stdout else []
    subprocess.run(["nft", "delete", "table", "ip", "trace"], check=True)
    first = re.match(r"trace id (\w+)", lines[0]) if lines else None
    return sum(1 for line in lines if first and first[1] in line and f"inet {table} " in line and " rule " in line)


def serve() -> None:
    listener = socket.create_server(("0.0.0.0", PORT), backlog=1024)
    while True:
        listener.accept()[0].close()


def main() -> None:
    kernel.unshare(kernel.CLONE_NEWNET)
    for command in (
        "ip link set lo up",
        f"ip addr add {_HERE}/32 dev lo",
        "ip link add d0 type bridge",
        "ip link set d0 up",
        "ip addr add 192.0.2.9/24 dev d0",
        "ip route add default dev d0",
    ):
        subprocess.run(command.split(), check=True)
    threading.Thread(target=serve, daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        first, times = asyncio.run(changes(Path(directory)))
        direct = connect(_HERE, PORT)
        few = asyncio.run(path(Path(directory), 10))
        many = asyncio.run(path(Path(directory), SERVICES))
    print(f"{SERVICES} services, {SERVICES * ENDPOINTS} endpoints")
    print(f"  the first time            {first:8.1f} ms")
    print(f"  one change, median        {statistics.median(times):8.1f} ms")
    print(f"  one change, 95 %          {statistics.quantiles(times, n=20)[-1]:8.1f} ms")
    print("a TCP connection on the node")
    print(f"  to the endpoint           {direct:8.1f} us")
    print(f"  by way of 10 services     {few[0]:8.1f} us  {few[1]} rules met")
    print(f"  by way of {SERVICES} services   {many[0]:8.1f} us  {many[1]} rules met")
    if statistics.median(times) > LIMIT_MS:
        sys.exit(f"one change takes more than {LIMIT_MS:g} ms")


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this needs root")
    main()
