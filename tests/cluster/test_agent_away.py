"""Agents and the control plane are killed and started again while pods work: no request, look-up or packet is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from nodeagent.network.dns import process as dns_process
from tests.cluster import load
from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

ANSWER = (
    'while read -r line; do case "$line" in "$(printf "\\r")") '
    'printf "HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n";; esac; done'
)
SERVE = f"cat > /tmp/answer <<'EOF'\n{ANSWER}\nEOF\nexec nc -ll -p 8080 -e sh /tmp/answer"
APP = {"app": "away"}


@pytest.fixture(scope="module")
def working(cluster: Lab, cluster_busybox: str) -> Iterator[Lab]:
    """Two servers behind a service, on two nodes, and a client on the third."""
    nodes = cluster.nodes
    for name, node, script in (
        ("away-server", nodes[0], SERVE),
        ("away-server-2", nodes[1], SERVE),
        ("away-client", nodes[2], "sleep 3600"),
    ):
        wire = pod(name, container("main", cluster_busybox, script), nodeName=node)
        wire["metadata"]["labels"] = APP if "server" in name else {}
        cluster.create(wire)
    _service(cluster, "away")
    for name in ("away-server", "away-server-2", "away-client"):
        cluster.wait_running(name)
    yield cluster
    for name in ("away-server", "away-server-2", "away-client"):
        cluster.delete_pod(name)
    for name in ("away", "away-later"):
        cluster.api.delete(f"/api/v1/namespaces/default/services/{name}")


def _service(cluster: Lab, name: str) -> None:
    spec = {"selector": APP, "ports": [{"port": 80, "targetPort": 8080}]}
    cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})


def _address(cluster: Lab, service: str) -> str:
    found = cluster.api.get(f"/api/v1/namespaces/default/services/{service}").json()
    return str(found["spec"]["clusterIP"])


def _resolver(cluster: Lab, node: str) -> str:
    wire = cluster.api.get(f"/api/v1/nodes/{node}").json()
    return str(ip_network(wire["spec"]["podCIDR"])[1])


def _run_dir(cluster: Lab, node: str) -> Path:
    return cluster.layout.run_dir if node == cluster.node else cluster.places(node).run_dir


def _inside(cluster: Lab, name: str, *argv: str) -> list[str]:
    """In the network namespace of a pod."""
    found = cluster.pod(name)
    assert found is not None
    where = _run_dir(cluster, found["spec"]["nodeName"]) / "pods" / found["metadata"]["uid"] / "ns" / "net"
    return ["nsenter", f"--net={where}", *argv]


@contextmanager
def load_going_on(cluster: Lab) -> Iterator[dict[str, Any]]:
    """What it came to is in the dictionary afterwards."""
    server = cluster.pod("away-server")
    assert server is not None
    address = _address(cluster, "away")
    words = [address, "80", _resolver(cluster, cluster.nodes[2]), "away.default.svc.cluster.local", address]
    command = [sys.executable, "-S", load.__file__, *words, server["status"]["podIP"]]
    running = subprocess.Popen(
        _inside(cluster, "away-client", *command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = {}
    try:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        yield result
    finally:
        output, _ = running.communicate(timeout=120)
    result.update(json.loads(output))


def _resolves(cluster: Lab, name: str) -> bool:
    """For the client."""
    asked = ["exec", "away-client", "--", "nslookup", f"{name}.default.svc.cluster.local"]
    return _address(cluster, name) in cluster.kubectl(*asked).stdout


def _assert_nothing_lost(result: dict[str, Any]) -> None:
    print(result)
    assert result["failures"] == []
    assert set(result["counts"]) == {"new connection", "kept connection", "look-up", "ping"}
    assert min(result["counts"].values()) > 20


def _dns_pid(cluster: Lab, node: str) -> int:
    found = dns_process.look(_run_dir(cluster, node) / "dns" / "socket")
    assert found is not None
    return int(found["pid"])


def test_agents_are_killed_under_load(working: Lab) -> None:
    """Every agent: that of the client, whose DNS, rules and routes are used, and those of both servers."""
    resolvers = {node: _dns_pid(working, node) for node in working.nodes}
    with load_going_on(working) as result:
        for node in reversed(working.nodes):
            before = working.agent_pid(node)
            working.restart_agent(node)
            wait_for(
                "another agent",
                lambda: working.agent_pid(node) not in (None, before),  # noqa: B023 - called at once
            )
            wait_for("it serves again", lambda: _answers(working, node))  # noqa: B023
        _service(working, "away-later")
        wait_for("its name", lambda: _resolves(working, "away-later"))
    _assert_nothing_lost(result)
    assert {node: _dns_pid(working, node) for node in working.nodes} == resolvers, "the DNS processes are the same"


def _answers(cluster: Lab, node: str) -> bool:
    """The agent itself: exec goes through it."""
    name = {cluster.nodes[0]: "away-server", cluster.nodes[1]: "away-server-2"}.get(node, "away-client")
    return cluster.kubectl("exec", name, "--", "true").returncode == 0


def test_the_control_plane_and_all_agents_are_away(working: Lab) -> None:
    """What is changed on the return, before the agents are back, arrives; what went on meanwhile has lost nothing."""
    resolvers = {node: _dns_pid(working, node) for node in working.nodes}
    working.api.delete("/api/v1/namespaces/default/services/away-later")
    with load_going_on(working) as result:
        working.stop()
        working.up()
        _service(working, "away-later")
        working.kubectl("label", "pod", "away-server-2", "app-")
        wait_for("its name", lambda: _resolves(working, "away-later"))
        wait_for("its endpoints", lambda: _endpoints(working) == 1)
    _assert_nothing_lost(result)
    assert {node: _dns_pid(working, node) for node in working.nodes} == resolvers


def _endpoints(cluster: Lab) -> int:
    query = {"labelSelector": "kubernetes.io/service-name=away-later"}
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    found = cluster.api.get(path, params=query).json()
    return sum(len(piece.get("endpoints") or ()) for piece in found["items"])
