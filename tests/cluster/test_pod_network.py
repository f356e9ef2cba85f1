"""Pods of one cluster reach each other wherever they run: three nodes, two of them on one segment, packets of every size."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images
from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SERVER = "mkdir -p /www && hostname > /www/name && head -c 2000000 /dev/zero > /www/big && httpd -f -p 8080 -h /www"


@pytest.fixture(scope="module", params=["auto", "vxlan"])
def cluster(request: pytest.FixtureRequest, cluster: Lab) -> Iterator[Lab]:
    """The common one, which has the overlay by default, and one that has it by setting."""
    if request.param == "auto":
        yield cluster
    else:
        with lab(nodes=3, SLIPWAY_OVERLAY=request.param) as made:
            yield made


@pytest.fixture(scope="module")
def pods(cluster: Lab) -> Iterator[dict[str, str]]:
    """Pod name to address, one on each node."""
    with cluster.registry() as registry:
        image = images.busybox().push(registry, "busybox:latest")
        for number, node in enumerate(cluster.nodes):
            cluster.create(pod(f"web-{number}", container("main", image, SERVER), nodeName=node))
        names = [f"web-{number}" for number in range(len(cluster.nodes))]
        yield {name: cluster.wait_running(name)["status"]["podIP"] for name in names}
        for name in names:
            cluster.delete_pod(name)


def inside(cluster: Lab, name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return cluster.kubectl("exec", name, "--", *argv)


def test_every_pod_reaches_every_other_with_its_own_address(cluster: Lab, pods: dict[str, str]) -> None:
    for (source, _), (target, address) in itertools.product(pods.items(), repeat=2):
        answer = inside(cluster, source, "wget", "-q", "-O", "-", f"http://{address}:8080/name")
        assert answer.stdout.strip() == target, f"{source} to {target}: {answer.stderr}"


def test_every_node_reaches_every_pod(cluster: Lab, pods: dict[str, str]) -> None:
    for node, address in itertools.product(cluster.nodes, pods.values()):
        probe = f"import urllib.request as u; print(u.urlopen('http://{address}:8080/name', timeout=5).read().decode())"
        assert cluster.exec_on(node, ["python3", "-c", probe]).stdout.startswith("web-")


LISTEN = """
import socket, sys
server = socket.create_server(("", int(sys.argv[1])))
server.settimeout(20)
print("ready", flush=True)
connection, (address, _) = server.accept()
print(address, flush=True)
while data := connection.recv(4096):
    print(len(data), flush=True)
print("closed", flush=True)
"""
SEND = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
for _ in range(600):
    connection.sendall(b"x" * 100)
    time.sleep(0.05)
"""


def start_inside(cluster: Lab, name: str, program: str, *words: str) -> subprocess.Popen[str]:
    """A Python program of the host in a pod's network."""
    wire = cluster.pod(name)
    assert wire is not None
    node, uid = wire["spec"]["nodeName"], wire["metadata"]["uid"]
    run_dir = Path(f"/run/slipway-{cluster.id}") if node == cluster.node else cluster.places(node).run_dir
    namespace = run_dir / "pods" / uid / "ns" / "net"
    return subprocess.Popen(
        ["nsenter", f"--net={namespace}", "python3", "-c", program, *words], stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def flow(cluster: Lab, source: str, target: str, address: str, port: str) -> Iterator[Iterator[str]]:
    """What the listener in ``target`` says of a connection from ``source``: first its address, then the pieces."""
    listener = start_inside(cluster, target, LISTEN, port)
    assert listener.stdout is not None
    lines = iter(listener.stdout.readline, "")
    assert next(lines) == "ready\n"
    sender = start_inside(cluster, source, SEND, address, port)
    try:
        yield lines
    finally:
        for process in (sender, listener):
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_the_source_address_is_the_pod_s(cluster: Lab, pods: dict[str, str]) -> None:
    for source, target in itertools.permutations(pods, 2):
        with flow(cluster, source, target, pods[target], "9000") as lines:
            assert next(lines).strip() == pods[source]


def test_large_packets_pass_up_to_the_mtu_and_no_further(cluster: Lab, pods: dict[str, str]) -> None:
    mtu = int(inside(cluster, "web-0", "cat", "/sys/class/net/eth0/mtu").stdout)
    for source, target in itertools.permutations(pods, 2):
        fits = inside(cluster, source, "ping", "-c", "1", "-W", "3", "-s", str(mtu - 28), pods[target])
        assert fits.returncode == 0, f"{source} to {target}: {fits.stdout}"
        whole = inside(cluster, source, "sh", "-c", f"wget -q -O - http://{pods[target]}:8080/big | wc -c")
        assert whole.stdout.strip() == "2000000"


def test_nodes_on_one_segment_need_no_tunnel(cluster: Lab, pods: dict[str, str]) -> None:
    nodes = {
        item["metadata"]["name"]: item["spec"]["podCIDR"] for item in cluster.api.get("/api/v1/nodes").json()["items"]
    }
    first, second, third = cluster.nodes
    routes = {route["dst"]: route for route in json.loads(cluster.exec_on(second, ["ip", "-j", "route"]).stdout)}
    assert routes[nodes[first]]["dev"].startswith("slvx")
    direct = not routes[nodes[third]]["dev"].startswith("slvx")
    assert direct == (cluster.environment.get("SLIPWAY_OVERLAY", "auto") == "auto")
    forwarding = json.loads(
        cluster.exec_on(second, ["bridge", "-j", "fdb", "show", "dev", routes[nodes[first]]["dev"]]).stdout
    )
    assert all(entry["state"] == "permanent" for entry in forwarding)


def test_what_somebody_takes_away_comes_back(cluster: Lab, pods: dict[str, str]) -> None:
    second = cluster.nodes[1]

    def routes() -> set[str]:
        return {route["dst"] for route in json.loads(cluster.exec_on(second, ["ip", "-j", "route"]).stdout)}

    before = routes()
    for words in (
        ["ip", "route", "flush", "proto", "83"],
        ["sh", "-c", "ip link delete $(ip -br link | grep -o 'slvx[0-9a-f]*')"],
    ):
        cluster.exec_on(second, words)
        wait_for("the routes", lambda: routes() == before or None)
    answer = inside(cluster, "web-1", "wget", "-q", "-O", "-", f"http://{pods['web-0']}:8080/name")
    assert answer.stdout.strip() == "web-0"


def test_a_flow_survives_the_death_of_both_agents(cluster: Lab, pods: dict[str, str]) -> None:
    with flow(cluster, "web-1", "web-2", pods["web-2"], "9100") as lines:
        next(lines)
        for node in cluster.nodes[1:]:
            pid = cluster.agent_pid(node)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        for node in cluster.nodes[1:]:
            wait_for("the agent", lambda: cluster.node_status(node) == "True" or None)  # noqa: B023 - called at once
        before = time.monotonic()
        for line in lines:
            assert line.strip().isdecimal()
            if time.monotonic() > before + 1:
                break


def test_a_node_that_goes_takes_its_routes_along(cluster: Lab, pods: dict[str, str]) -> None:
    cluster.add("extra")
    cidr = wait_for("the range", lambda: cluster.api.get("/api/v1/nodes/extra").json()["spec"].get("podCIDR"))

    def has_route(node: str) -> bool:
        return any(route["dst"] == cidr for route in json.loads(cluster.exec_on(node, ["ip", "-j", "route"]).stdout))

    wait_for("routes", lambda: all(has_route(node) for node in cluster.nodes if node != "extra") or None)
    cluster.remove("extra")
    wait_for("no routes", lambda: not any(has_route(node) for node in cluster.nodes) or None)
