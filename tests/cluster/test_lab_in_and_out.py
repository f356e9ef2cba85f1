"""Nobody dials into a node, and nodes reach the outside as their machine."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab
from tests.cluster.lab_hosts import listening, reaches, run_on

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


# --- nothing dials in -------------------------------------------------------------------------------------------


@pytest.fixture
def unreachable(cluster: Lab) -> Iterator[str]:
    """A node whose host takes no connection from outside, as behind NAT: only answers to what it began itself."""
    node = cluster.nodes[1]
    rules = """
    table inet nat_like {
      chain input {
        type filter hook input priority -100; policy drop;
        iifname "lo" accept
        iifname != "eth0" accept
        ct state established,related accept
      }
    }
    """
    cluster.exec_on(node, ["nft", "-f", "-"], stdin=rules)
    yield node
    cluster.exec_on(node, ["nft", "delete", "table", "inet", "nat_like"])


def test_control_logs_exec_and_port_forward_need_no_inbound_port(
    cluster: Lab, cluster_busybox: str, unreachable: str
) -> None:
    with listening(cluster, unreachable, 8097):
        assert not reaches(cluster, cluster.node, cluster.address(unreachable), 8097)
    script = "mkdir /www; echo hello from inside > /www/index.html; echo started; exec httpd -f -p 8000 -h /www"
    run_on(cluster, unreachable, "hidden", cluster_busybox, script)
    wait_for("its word in the log", lambda: cluster.logs("hidden") == "started\n")
    done = cluster.kubectl("exec", "hidden", "--", "cat", "/www/index.html")
    assert (done.returncode, done.stdout) == (0, "hello from inside\n")
    cluster.restart_agent(unreachable)  # a session that begins now, too
    cluster.wait_node(unreachable)
    wait_for("the agent is back", lambda: "hello from inside" in forwarded(cluster, "hidden", 8000))
    cluster.delete_pod("hidden")


def forwarded(cluster: Lab, name: str, port: int) -> str:
    """What an HTTP server in the pod answers, by the port-forward WebSocket (v4.channel.k8s.io: channel 0 is data)."""
    headers = {"Authorization": cluster.api.headers["Authorization"]}
    address = f"wss://127.0.0.1:{cluster.api_port}/api/v1/namespaces/default/pods/{name}/portforward?ports={port}"
    context = ssl.create_default_context(cafile=str(cluster.home / "pki" / "ca.crt"))
    answer = b""
    try:
        with connect(
            address,
            ssl=context,
            additional_headers=headers,
            subprotocols=[Subprotocol("v4.channel.k8s.io")],
            proxy=None,
        ) as socket:
            socket.send(b"\x00GET /index.html HTTP/1.0\r\n\r\n")
            for frame in socket:
                assert isinstance(frame, bytes)
                if frame[0] == 0 and len(frame) > 3:
                    answer += frame[1:]
    except (InvalidStatus, ConnectionClosed):
        return answer.decode(errors="replace")
    return answer.decode(errors="replace")


# --- the way out ------------------------------------------------------------------------------------------------


def test_nodes_reach_the_outside_as_this_machine(cluster: Lab) -> None:
    """The outside knows nothing of the lab's range: without translation it could not answer."""
    outside, near, far = f"outside{os.getpid()}", "198.51.100.1", "198.51.100.2"
    veth = f"out{os.getpid()}"
    for command in (
        f"ip netns add {outside}",
        f"ip link add {veth} type veth peer name eth0 netns {outside}",
        f"ip addr add {near}/30 dev {veth}",
        f"ip link set {veth} up",
        f"ip -n {outside} addr add {far}/30 dev eth0",
        f"ip -n {outside} link set eth0 up",
    ):
        subprocess.run(command.split(), check=True)
    try:
        script = (
            "import socket; s = socket.create_server(('198.51.100.2', 8096)); print('ready', flush=True)\n"
            "c, peer = s.accept(); print(peer[0], flush=True)"
        )
        server = subprocess.Popen(
            ["ip", "netns", "exec", outside, "python3", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        with server, server.stdout:
            assert server.stdout.readline() == "ready\n"
            wait_for("the outside is reached", lambda: reaches(cluster, cluster.nodes[1], far, 8096))
            assert server.stdout.readline() == f"{near}\n"
    finally:
        subprocess.run(["ip", "link", "del", veth], check=False)
        subprocess.run(["ip", "netns", "del", outside], check=False)
