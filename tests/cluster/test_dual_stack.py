"""A cluster of both families: pods of every node reach each other by IPv4 and IPv6. And ranges that cannot be, at `up`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images
from tests.cluster.instance import prepare
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SERVER = (
    "mkdir -p /www && hostname > /www/name && head -c 2000000 /dev/zero > /www/big && httpd -f -p [::]:8080 -h /www"
)
NETWORK = "10.231.0.0/16,fd31:5::/56"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    with lab(nodes=3, SLIPWAY_POD_NETWORK=NETWORK) as made:
        yield made


@pytest.fixture(scope="module")
def pods(cluster: Lab) -> Iterator[dict[str, list[str]]]:
    """Pod name to its addresses, one pod on each node."""
    names = [f"web-{number}" for number in range(len(cluster.nodes))]
    with cluster.registry() as registry:
        image = images.busybox().push(registry, "busybox:latest")
        for name, node in zip(names, cluster.nodes, strict=True):
            cluster.create(pod(name, container("main", image, SERVER), nodeName=node))
        yield {name: [each["ip"] for each in cluster.wait_running(name)["status"]["podIPs"]] for name in names}


def test_every_pod_has_an_address_of_its_node_s_range_of_each_family(cluster: Lab, pods: dict[str, list[str]]) -> None:
    assert all([":" in address for address in addresses] == [False, True] for addresses in pods.values())
    nodes = cluster.api.get("/api/v1/nodes").json()["items"]
    assert all(item["spec"]["podCIDRs"][0] == item["spec"]["podCIDR"] for item in nodes)
    assert len({cidr for item in nodes for cidr in item["spec"]["podCIDRs"]}) == 6


def test_every_pod_reaches_every_other_by_both_whatever_the_size(cluster: Lab, pods: dict[str, list[str]]) -> None:
    for (source, _), (target, addresses) in itertools.product(pods.items(), repeat=2):
        for address in addresses:
            host = f"[{address}]" if ":" in address else address
            script = f"wget -q -O - http://{host}:8080/name && wget -q -O - http://{host}:8080/big | wc -c"
            answer = cluster.kubectl("exec", source, "--", "sh", "-c", script)
            assert answer.stdout.split() == [target, "2000000"], f"{source} to {target} by {address}: {answer.stderr}"


def test_every_node_reaches_every_pod_by_both(cluster: Lab, pods: dict[str, list[str]]) -> None:
    for node, addresses in itertools.product(cluster.nodes, pods.values()):
        for address in addresses:
            probe = f"import socket; socket.create_connection(('{address}', 8080), 5)"
            cluster.exec_on(node, ["python3", "-c", probe])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SLIPWAY_POD_NETWORK": "10.96.0.0/12"}, ["the pod network 10.96.0.0/12", "the service network 10.96.0.0/16"]),
        ({"SLIPWAY_POD_NETWORK": "10.244.0.0/16,10.245.0.0/16"}, ["SLIPWAY_POD_NETWORK"]),
        (
            {"SLIPWAY_POD_NETWORK": "10.233.0.0/16", "SLIPWAY_LAB_NETWORK": "10.233.5.0/24"},
            ["10.233.0.0/16", "10.233.5.0/24"],
        ),
    ],
)
def test_ranges_that_cannot_be_are_refused_at_the_start(
    tmp_path: Path, settings: dict[str, str], named: list[str]
) -> None:

    instance = prepare(tmp_path, **settings)
    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--prepare-only"],
        env=dict(instance.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert [word for word in named if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
