"""What packets cost: throughput and latency between pods, and through services, beside Docker's bridge and Swarm's overlay.

    python -m benchmarks.network [--rounds 4] [--seconds 1] [--overlay auto|vxlan] [--no-docker]

Root; about three minutes. A lab of three nodes and, where dockerd is installed, two Docker hosts of their own in one Swarm, on
the same machine at the same time. The servers (iperf3, haproxy) run in pods and containers of one image; the clients (iperf3,
wrk) run in the network namespaces of other pods and containers. The paths take turns, `--rounds` times, and the best of each
is told, so that a machine whose speed drifts treats all alike.

On a machine that does other things too, time says little. So each is told once more by the processor time of client and server
together, in which the kernel's work for their packets is counted: the median of the rounds. By these the aims are judged.

Swarm's virtual addresses and its ingress mesh need the kernel's ip_vs. Where that is missing, a DNAT to the one task stands in
for the balancer; all else of a packet's way is Swarm's own: published port, ingress sandbox, overlay, task. That line has a *.

Ends with an error where pods of one node do less than containers of one bridge (by more than the noise, a tenth), or a node
port less than 1.5 times what the mesh does.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.docker_hosts import DockerHost, docker_hosts, has_ipvs, installed, run
from tests import images
from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod
from tests.programs import program_layer

HTTP, IPERF = 8080, 5201
PUBLIC_HTTP, PUBLIC_IPERF = 30080, 30521
NOISE, MESH = 0.9, 1.5
ATTEMPTS = 3
IMAGE = "slipway-bench-network:latest"
SERVE = "iperf3 -s -D && exec haproxy -db -f /etc/haproxy.cfg"
_CONNECTIONS = 32
_HAPROXY = f"""
defaults
  mode http
  timeout client 30s
  timeout server 30s
  timeout connect 5s
frontend all
  bind :{HTTP}
  http-request return status 200 content-type text/plain string hello
"""
_WORKED = ("gbit", "requests", "connections")
_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


@dataclass
class Way:
    """One way for packets."""

    title: str
    client: Path | None
    """A network namespace; None: outside, this machine itself."""
    address: str
    server: Path
    """The network namespace of what serves."""
    http: int = HTTP
    iperf: int = IPERF
    best: dict[str, float] = field(default_factory=dict)
    worked: dict[str, list[float]] = field(default_factory=dict)
    """By second of processor time, in each round."""

    def measure(self, seconds: float) -> None:
        self._note("gbit", *self._costing(lambda: self._iperf(seconds)))
        _, latency = self._wrk(1, seconds)
        self.best["latency_us"] = min(self.best.get("latency_us", latency), latency)
        self._note("requests", *self._costing(lambda: self._wrk(_CONNECTIONS, seconds)[0]))
        closing = ("-H", "Connection: close")
        self._note("connections", *self._costing(lambda: self._wrk(_CONNECTIONS, seconds, *closing)[0]))

    def _costing(self, measure: Callable[[], float]) -> tuple[float, float]:
        """What it measured in a second, and in a second of processor time."""
        server, client, began = _busy_seconds(self.server), _children_seconds(), time.monotonic()
        rate = measure()
        spent = _busy_seconds(self.server) - server + _children_seconds() - client
        return rate, rate * (time.monotonic() - began) / spent

    def answers(self) -> bool:
        return self._run("curl", "-s", "-m", "2", self._url).stdout == "hello"

    @property
    def _url(self) -> str:
        return f"http://{self.address}:{self.http}/"

    def _note(self, name: str, rate: float, worked: float) -> None:
        self.best[name] = max(self.best.get(name, rate), rate)
        self.worked.setdefault(name, []).append(worked)

    def _run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        entering = ["nsenter", f"--net={self.client}"] if self.client else []
        return subprocess.run([*entering, *argv], capture_output=True, text=True, timeout=60, check=False)

    def _iperf(self, seconds: float) -> float:
        """Gbit/s of one TCP connection."""
        for _ in range(ATTEMPTS):  # its server takes one test at a time, and needs a moment after each
            done = self._run("iperf3", "-c", self.address, "-p", str(self.iperf), "-t", f"{seconds:g}", "-J")
            answer = json.loads(done.stdout or "{}")
            if "error" not in answer and answer.get("end"):
                return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9
        raise RuntimeError(f"iperf3, {self.title}: {answer.get('error') or done.stderr}")

    def _wrk(self, connections: int, seconds: float, *more: str) -> tuple[float, float]:
        """Requests per second, and the median of their latency in microseconds."""
        words = ["wrk", "-t1", f"-c{connections}", f"-d{max(seconds, 1):.0f}s", "--latency", *more, self._url]
        text = self._run(*words).stdout
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        median = re.search(r"50%\s+([\d.]+)(us|ms|s)\b", text)
        wrong = re.search(r"Non-2xx.*|Socket errors: connect [1-9].*", text)
        if rate is None or median is None or wrong:
            raise RuntimeError(f"wrk, {self.title}: {wrong[0] if wrong else text}")
        return float(rate[1]), float(median[1]) * _UNITS[median[2]]


def _busy_seconds(namespace: Path) -> float:
    """Of processor, that the processes in a network namespace have had."""
    inode, total = namespace.stat().st_ino, 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if (process / "ns" / "net").stat().st_ino == inode:
                total += sum(int(each.read_text().split()[0]) for each in process.glob("task/*/schedstat"))
    return total / 1e9


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def server_image() -> images.Built:
    extra = [program_layer("iperf3", "haproxy"), images.layer([images.file("etc/haproxy.cfg", _HAPROXY)])]
    return images.busybox(extra=extra, flavour="docker")


# Ours


def slipway(cluster: Lab, image: str) -> list[Way]:
    _, first, second = cluster.nodes
    for name, node, script in (
        ("near", first, SERVE),
        ("far", second, SERVE),
        ("client", first, "sleep 3600"),
    ):
        cluster.create(pod(name, container("main", image, script), nodeName=node))
    pods = {name: cluster.wait_running(name) for name in ("near", "far", "client")}
    inside = {
        name: cluster.places(node).run_dir / "pods" / pods[name]["metadata"]["uid"] / "ns" / "net"
        for name, node in (("near", first), ("far", second), ("client", first))
    }
    client, near, far = inside["client"], inside["near"], inside["far"]
    service = {name: _service(cluster, name) for name in ("near", "far")}
    _service(cluster, "far", public=True)
    return [
        Way("pods, one node", client, pods["near"]["status"]["podIP"], near),
        Way("pods, two nodes", client, pods["far"]["status"]["podIP"], far),
        Way("service, one node", client, service["near"], near),
        Way("service, two nodes", client, service["far"], far),
        Way("node port, other node", None, cluster.address(first), far, PUBLIC_HTTP, PUBLIC_IPERF),
    ]


def _service(cluster: Lab, name: str, *, public: bool = False) -> str:
    ports = [
        {"name": "http", "port": HTTP, **({"nodePort": PUBLIC_HTTP} if public else {})},
        {"name": "iperf", "port": IPERF, **({"nodePort": PUBLIC_IPERF} if public else {})},
    ]
    spec = {"selector": {"app": name}, "ports": ports, "type": "NodePort" if public else "ClusterIP"}
    metadata = {"name": f"{name}-public" if public else name}
    made = cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return str(made["spec"]["clusterIP"])


# Theirs


def docker(first: DockerHost, second: DockerHost) -> list[Way]:
    first.docker("network", "create", "bench")
    for name, script in (("near", SERVE), ("client", "sleep 3600")):
        first.docker("run", "-d", "--name", name, "--network", "bench", IMAGE, "sh", "-c", script)
    near = first.networks_of("near")["bench"]
    first.docker("network", "create", "-d", "overlay", "--attachable", "wide")
    publish = [f"published={PUBLIC_HTTP},target={HTTP}", f"published={PUBLIC_IPERF},target={IPERF}"]
    first.docker(
        *("service", "create", "--detach", "--name", "far", "--network", "wide", "--constraint", "node.role==worker"),
        *(word for each in publish for word in ("--publish", each)),
        *(IMAGE, "sh", "-c", SERVE),
    )
    first.docker("run", "-d", "--name", "wide-client", "--network", "wide", IMAGE, "sh", "-c", "sleep 3600")
    task = second.task("far")
    far, server = second.networks_of(task), second.namespace_of(task)
    ways = [
        Way("docker bridge", first.namespace_of("client"), near, first.namespace_of("near")),
        Way("swarm overlay, two nodes", first.namespace_of("wide-client"), far["wide"], server),
    ]
    if has_ipvs():
        (virtual,) = _virtual(first)
        ways.append(Way("swarm service, two nodes", first.namespace_of("wide-client"), virtual, server))
    else:
        _stand_in(first, far["ingress"])
    title = "swarm mesh, other node" if has_ipvs() else "swarm mesh, other node *"
    return [*ways, Way(title, None, first.address, server, PUBLIC_HTTP, PUBLIC_IPERF)]


def _virtual(manager: DockerHost) -> list[str]:
    """The service's address on the network that is not the mesh's."""
    found = json.loads(manager.docker("service", "inspect", "far", "--format", "{{json .Endpoint.VirtualIPs}}"))
    wide = manager.docker("network", "inspect", "wide", "--format", "{{.Id}}")
    return [one["Addr"].partition("/")[0] for one in found if one["NetworkID"] == wide]


def _stand_in(host: DockerHost, task: str) -> None:
    """What libnetwork programs for published ports, with a DNAT where it would have ip_vs balance."""
    sandbox = f"--net={host.sandboxes / 'ingress_sbox'}"
    mesh, gateway = sorted(_addresses(sandbox), key=lambda one: not one.startswith(task.rpartition(".")[0]))[:2]
    for port in (PUBLIC_HTTP, PUBLIC_IPERF):
        match = ["-p", "tcp", "--dport", str(port), "-j"]
        for chain in ("PREROUTING", "OUTPUT"):
            host.inside(
                *("iptables", "-t", "nat", "-I", chain, "-m", "addrtype", "--dst-type", "LOCAL", *match, "DNAT"),
                *("--to-destination", gateway),
            )
        host.inside("iptables", "-I", "FORWARD", *match, "ACCEPT")
        host.inside("iptables", "-I", "FORWARD", "-p", "tcp", "--sport", str(port), "-j", "ACCEPT")
        run("nsenter", sandbox, "iptables", "-t", "nat", "-I", "PREROUTING", *match, "DNAT", "--to-destination", task)
    subnet = f"{mesh}/24"
    run("nsenter", sandbox, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    run(
        *("nsenter", sandbox, "iptables", "-t", "nat", "-I", "POSTROUTING", "-d", subnet, "-p", "tcp"),
        *("-j", "SNAT", "--to-source", mesh),
    )


def _addresses(entering: str) -> list[str]:
    found = json.loads(run("nsenter", entering, "ip", "-j", "-4", "addr"))
    return [a["local"] for link in found for a in link["addr_info"] if link["ifname"] != "lo"]


# Together


@contextlib.contextmanager
def ways(overlay: str, *, with_docker: bool) -> Iterator[tuple[list[Way], list[Way]]]:
    built = server_image()
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(lab(nodes=3, SLIPWAY_OVERLAY=overlay))
        hub = stack.enter_context(cluster.registry())
        ours, theirs = slipway(cluster, built.push(hub, IMAGE)), list[Way]()
        if with_docker:
            directory = stack.enter_context(tempfile.TemporaryDirectory())
            hosts = stack.enter_context(docker_hosts(built.save_docker_archive(Path(directory, "image.tar"), IMAGE)))
            theirs = docker(*hosts)
        for way in (*ours, *theirs):
            wait_for(f"an answer: {way.title}", way.answers)
        yield ours, theirs


def report(ours: Sequence[Way], theirs: Sequence[Way]) -> None:
    print(f"{'':<26}{'Gbit/s':>9}{'p50 us':>9}{'requests/s':>12}{'connections/s':>15}")
    for way in (*ours, *theirs):
        best = way.best
        print(
            f"{way.title:<26}{best['gbit']:>9.2f}{best['latency_us']:>9.0f}"
            f"{best['requests']:>12.0f}{best['connections']:>15.0f}"
        )
    print(f"{'by second of processor':<26}{'Gbit':>9}{'':>9}{'requests':>12}{'connections':>15}")
    for way in (*ours, *theirs):
        gbit, requests, connections = (statistics.median(way.worked[name]) for name in _WORKED)
        print(f"{way.title:<26}{gbit:>9.2f}{'':>9}{requests:>12.0f}{connections:>15.0f}")


def compare(title: str, way: Way, peer: Way) -> dict[str, float]:
    """How many times as much by second of processor, each round with its own; prints it, and the same by time."""
    ratios = {
        name: statistics.median(one / other for one, other in zip(way.worked[name], peer.worked[name], strict=True))
        for name in _WORKED
    }
    timed = {name: way.best[name] / peer.best[name] for name in _WORKED}
    timed["latency"] = peer.best["latency_us"] / way.best["latency_us"]
    told, by_time = (", ".join(f"{name} {one:.2f}" for name, one in each.items()) for each in (ratios, timed))
    print(f"{title:<42}{told}; by time {by_time}")
    return ratios


def verdict(ours: Mapping[str, Way], theirs: Mapping[str, Way]) -> list[str]:
    """What falls short of the aims."""
    mesh = next(way for title, way in theirs.items() if title.startswith("swarm mesh"))
    print("times as good")
    bridge = compare("pods on one node : docker bridge", ours["pods, one node"], theirs["docker bridge"])
    compare("service on one node : docker bridge", ours["service, one node"], theirs["docker bridge"])
    compare("pods on two nodes : swarm overlay", ours["pods, two nodes"], theirs["swarm overlay, two nodes"])
    compare("service on two nodes : swarm overlay", ours["service, two nodes"], theirs["swarm overlay, two nodes"])
    port = compare("node port : swarm mesh", ours["node port, other node"], mesh)
    short = [f"pods on one node: {name} is {ratio:.2f} of docker's" for name, ratio in bridge.items() if ratio < NOISE]
    if max(port["requests"], port["gbit"]) < MESH:
        short.append(f"a node port does {port['requests']:.2f} times the requests of the mesh, not {MESH}")
    return short


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each of the four measurements of a path")
    parser.add_argument("--overlay", choices=["auto", "vxlan"], default="auto", help="how our nodes reach each other")
    parser.add_argument("--no-docker", action="store_true")
    options = parser.parse_args()
    with_docker = installed() and not options.no_docker
    if not with_docker:
        print("without Docker: only Slipway is measured")
    elif not has_ipvs():
        print("this kernel has no ip_vs: * is Swarm's mesh with a DNAT in the place of its balancer")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, overlay {options.overlay}")
    with ways(options.overlay, with_docker=with_docker) as (ours, theirs):
        for _ in range(options.rounds):
            for way in (*ours, *theirs):
                way.measure(options.seconds)
        report(ours, theirs)
        if theirs:
            short = verdict({way.title: way for way in ours}, {way.title: way for way in theirs})
            if short:
                sys.exit("; ".join(short))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("this needs root")
    main()
