"""What a lab's nodes do as hosts: run pods, listen, reach each other."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from tests.cluster.instance import wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod


def run_on(cluster: Lab, node: str, name: str, image: str, script: str = "sleep 3600") -> None:
    cluster.create(pod(name, container("main", image, script), nodeName=node))
    cluster.wait_running(name)


def reaches(cluster: Lab, node: str, address: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    probe = f"import socket; socket.create_connection(({address!r}, {port}), 0.5)"
    return cluster.exec_on(node, ["python3", "-c", probe], check=False).returncode == 0


def wait_reaches(cluster: Lab, node: str, address: str, port: int) -> None:
    wait_for(f"{node} reaches {address}:{port}", lambda: reaches(cluster, node, address, port))


@contextlib.contextmanager
def listening(cluster: Lab, node: str, port: int) -> Iterator[None]:
    """A server in the node's namespace, which itself reaches it."""
    server = subprocess.Popen(
        cluster.command_on(node, ["python3", "-m", "http.server", "--bind", cluster.address(node), str(port)]),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for("the server listens", lambda: reaches(cluster, node, cluster.address(node), port))
        yield
    finally:
        server.kill()
        server.wait()
