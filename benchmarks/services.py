"""What services cost a node: ``python -m benchmarks.services`` (root; in a network namespace of its own).

1. The time of one change (a service with one endpoint less, then more) by the agent's own code, from the cluster view to the
   kernel, with 1,000 services of 5 endpoints each; and of the first time, with all of them.
2. The way of a packet: the time of a TCP connection to the same service when there are 10 services and when there are 1,000,
   and the rules that it meets on its way (nft's trace), beside a connection to the endpoint itself.

Both by IPv4 and by IPv6. Prints a table; ends with an error where one change takes more than 100 ms, or where a packet meets more
rules among many services than among few.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
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


@dataclass(frozen=True)
class Family:
    kind: str
    here: str
    """Where the endpoint of the first service answers."""
    services: str
    pods: str

    def service(self, number: int) -> str:
        return self._address(self.services, number)

    def pod(self, number: int) -> str:
        return self._address(self.pods, number)

    def _address(self, prefix: str, number: int) -> str:
        return f"{prefix}{number:x}" if ":" in prefix else f"{prefix}{number >> 8 & 255}.{number & 255}"


FOUR = Family("IPv4", "192.0.2.1", "10.96.", "10.244.")
SIX = Family("IPv6", "2001:db8::1", "fd96::", "fd77::")


def service(number: int, family: Family) -> Any:
    address = family.service(number)
    ports = [{"name": "", "protocol": "TCP", "port": 80, "nodePort": 30000 + number}]
    spec = {"type": "NodePort", "clusterIP": address, "clusterIPs": [address], "ports": ports}
    return {"kind": "Service", "metadata": {"namespace": "default", "name": f"s{number}"}, "spec": spec, "status": {}}


def slices(number: int, count: int, family: Family) -> Any:
    addresses = [family.pod(number * ENDPOINTS + each) for each in range(count)]
    if number == 1:
        addresses = [family.here]
    return {
        "kind": "EndpointSlice",
        "metadata": {
            "namespace": "default",
            "name": f"s{number}",
            "labels": {"kubernetes.io/service-name": f"s{number}"},
        },
        "addressType": family.kind,
        "ports": [{"name": "", "protocol": "TCP", "port": PORT}],
        "endpoints": [{"addresses": [each], "nodeName": f"node-{n % 3}"} for n, each in enumerate(addresses)],
    }


def objects(count: int, family: Family) -> dict[Key, Any]:
    numbers = range(1, count + 1)
    wires = [*(service(n, family) for n in numbers), *(slices(n, ENDPOINTS, family) for n in numbers)]
    return {Key(each["kind"], "default", each["metadata"]["name"]): each for each in wires}


class Programmed:
    def __init__(self, directory: Path, count: int, family: Family) -> None:
        self.family = family
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
        pods: list[IPv4Network | IPv6Network] = [IPv4Network("10.244.0.0/16"), IPv6Network("fd77::/64")]
        self.services.start(pods, own=[IPv4Network("10.244.0.0/24"), IPv6Network("fd77::/80")])
        self.objects = objects(count, family)

    async def change(self, number: int, endpoints: int) -> float:
        """Milliseconds."""
        wire = slices(number, endpoints, self.family)
        key = Key("EndpointSlice", "default", wire["metadata"]["name"])
        self.objects[key] = wire
        return await self.apply(frozenset([key]))

    async def apply(self, changed: frozenset[Key]) -> float:
        view = ClusterView(list(self.objects.values()))
        start = time.perf_counter()
        await self.services.apply(view, changed)
        return (time.perf_counter() - start) * 1000


async def changes(directory: Path, family: Family) -> tuple[float, list[float]]:
    programmed = Programmed(directory, SERVICES, family)
    first = await programmed.apply(frozenset(programmed.objects))
    times = [await programmed.change(500 + n, ENDPOINTS - 1 + n % 2) for n in range(40)]
    times += [await programmed.change(500 + n, ENDPOINTS - n % 2) for n in range(40)]
    await programmed.services.remove_everything()
    return first, times


async def path(directory: Path, count: int, family: Family) -> tuple[float, int]:
    """Microseconds of a connection by way of the service, and how many rules it met."""
    programmed = Programmed(directory, count, family)
    await programmed.apply(frozenset(programmed.objects))
    latency = await asyncio.to_thread(connect, family.service(1), 80)
    rules = await asyncio.to_thread(traced, programmed.services._table, family.service(1))
    await programmed.services.remove_everything()
    return latency, rules


def connect(address: str, port: int) -> float:
    times = []
    for _ in range(CONNECTIONS):
        start = time.perf_counter()
        socket.create_connection((address, port), timeout=2).close()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def traced(table: str, address: str) -> int:
    """How many of the table's rules the first packet of a connection met, by the kernel's own account."""
    hook = "type filter hook output priority -300;"
    script = f"table inet trace {{ chain out {{\n{hook}\ntcp flags syn meta nftrace set 1\n}}\n}}"
    subprocess.run(["nft", script], check=True)
    with subprocess.Popen(["nft", "monitor", "trace"], stdout=subprocess.PIPE, text=True) as monitor:
        assert monitor.stdout
        for _ in range(100):  # it reads all rules before it shows anything
            socket.create_connection((address, 80), timeout=2).close()
            if select.select([monitor.stdout], [], [], 0.1)[0]:
                break
        time.sleep(0.5)
        monitor.terminate()
        lines = monitor.stdout.read().splitlines()
    subprocess.run(["nft", "delete", "table", "inet", "trace"], check=True)
    first = re.match(r"trace id (\w+)", lines[0]) if lines else None
    return sum(1 for line in lines if first and first[1] in line and f"inet {table} " in line and " rule " in line)


def serve() -> None:
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
    while True:
        listener.accept()[0].close()


def main() -> None:
    kernel.unshare(kernel.CLONE_NEWNET)
    for command in (
        "ip link set lo up",
        f"ip addr add {FOUR.here}/32 dev lo",
        f"ip addr add {SIX.here}/128 dev lo nodad",
        "ip link add d0 type bridge",
        "ip link set d0 up",
        "ip addr add 192.0.2.9/24 dev d0",
        "ip route add default dev d0",
        "ip -6 route add default dev d0",
    ):
        subprocess.run(command.split(), check=True)
    threading.Thread(target=serve, daemon=True).start()
    problems = [problem for family in (FOUR, SIX) for problem in measure(family)]
    if problems:
        sys.exit("; ".join(problems))


def measure(family: Family) -> list[str]:
    """What is wrong."""
    with tempfile.TemporaryDirectory() as directory:
        first, times = asyncio.run(changes(Path(directory), family))
        direct = connect(family.here, PORT)
        few = asyncio.run(path(Path(directory), 10, family))
        many = asyncio.run(path(Path(directory), SERVICES, family))
    print(f"{family.kind}: {SERVICES} services, {SERVICES * ENDPOINTS} endpoints")
    print(f"  the first time            {first:8.1f} ms")
    print(f"  one change, median        {statistics.median(times):8.1f} ms")
    print(f"  one change, 95 %          {statistics.quantiles(times, n=20)[-1]:8.1f} ms")
    print(f"{family.kind}: a TCP connection on the node")
    print(f"  to the endpoint           {direct:8.1f} us")
    print(f"  by way of 10 services     {few[0]:8.1f} us  {few[1]} rules met")
    print(f"  by way of {SERVICES} services   {many[0]:8.1f} us  {many[1]} rules met")
    found = []
    if statistics.median(times) > LIMIT_MS:
        found.append(f"{family.kind}: one change takes more than {LIMIT_MS:g} ms")
    if many[1] != few[1] or not many[1]:
        found.append(f"{family.kind}: a packet meets {few[1]} rules among 10 services, {many[1]} among {SERVICES}")
    return found


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this needs root")
    main()
