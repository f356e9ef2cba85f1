"""A cluster of both families: pods of every node reach each other and services by IPv4 and IPv6, and find them by names. And
ranges that cannot be, at `up`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.cluster.instance import prepare, wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SERVER = (
    "mkdir -p /www && hostname > /www/name && head -c 2000000 /dev/zero > /www/big && httpd -f -p [::]:8080 -h /www"
)
NETWORK = "10.229.0.0/16,fd31:5::/56"
SERVICES = "10.97.0.0/16,fd31:97::/112"
DOMAIN = "slipway.test"
FAMILIES = ("IPv4", "IPv6")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    with lab(
        nodes=3, SLIPWAY_POD_NETWORK=NETWORK, SLIPWAY_SERVICE_NETWORK=SERVICES, SLIPWAY_CLUSTER_DOMAIN=DOMAIN
    ) as made:
        yield made


@pytest.fixture(scope="module")
def pods(cluster: Lab) -> Iterator[dict[str, list[str]]]:
    """Pod name to its addresses, one pod on each node."""
    names = [f"web-{number}" for number in range(len(cluster.nodes))]
    with cluster.registry() as registry:
        image = images.busybox().push(registry, "busybox:latest")
        for name, node in zip(names, cluster.nodes, strict=True):
            made = pod(name, container("main", image, SERVER), nodeName=node)
            made["metadata"]["labels"] = {"app": "web"}
            cluster.create(made)
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


# --- services ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def services(cluster: Lab, pods: dict[str, list[str]]) -> dict[str, Any]:
    """Two services of both families, ``web`` (a node port) and ``each`` (headless), and one of IPv6 alone; by name."""
    port = {"name": "http", "port": 80, "targetPort": 8080}
    both = {"ipFamilyPolicy": "RequireDualStack", "selector": {"app": "web"}, "ports": [port]}
    for name, spec in (
        ("web", {**both, "type": "NodePort"}),
        ("each", {**both, "clusterIP": "None"}),
        ("six", {"ipFamilies": ["IPv6"], "selector": {"app": "web"}, "ports": [port]}),
    ):
        wire = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
        answer = cluster.api.post("/api/v1/namespaces/default/services", json=wire)
        assert answer.status_code == 201, answer.text
    wait_for("all are endpoints", lambda: [len(endpoints(cluster, "web", each)) for each in FAMILIES] == [3, 3])
    return {
        name: cluster.api.get(f"/api/v1/namespaces/default/services/{name}").json()["spec"]
        for name in ("web", "each", "six")
    }


def endpoints(cluster: Lab, service: str, family: str) -> list[str]:
    label = f"kubernetes.io/service-name={service}"
    found = cluster.api.get(
        f"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector={label}"
    ).json()["items"]
    return [
        each["addresses"][0]
        for one in found
        if one["addressType"] == family
        for each in one.get("endpoints") or ()
        if each["conditions"]["ready"]
    ]


def listed(cluster: Lab, service: str) -> set[str]:
    """In the Endpoints, as old clients read them."""
    found = cluster.api.get(f"/api/v1/namespaces/default/endpoints/{service}").json()
    return {each["ip"] for subset in found.get("subsets") or () for each in subset.get("addresses") or ()}


def asked(cluster: Lab, source: str, host: str, times: int = 12) -> set[str]:
    """Who answers the pod ``source``."""
    script = "; ".join([f"wget -q -O - http://{host}/name"] * times)
    answer = cluster.kubectl("exec", source, "--", "sh", "-c", script)
    return set(answer.stdout.split())


def url_host(address: str, port: object = "") -> str:
    return (f"[{address}]" if ":" in address else address) + (f":{port}" if port else "")


def asked_by_node(cluster: Lab, node: str, host: str, times: int = 12) -> set[str]:
    script = (
        f"import urllib.request as u\nfor i in range({times}):"
        f" print(u.urlopen('http://{host}/name', timeout=3).read().decode().strip())"
    )
    return set(cluster.exec_on(node, ["python3", "-c", script], check=False).stdout.split())


def test_endpoints_are_those_of_the_family(cluster: Lab, pods: dict[str, list[str]], services: dict[str, Any]) -> None:
    for number, family in enumerate(FAMILIES):
        assert set(endpoints(cluster, "web", family)) == {addresses[number] for addresses in pods.values()}
    ours = {addresses[1] for addresses in pods.values()}
    wait_for("those of the service's first family are in its Endpoints", lambda: listed(cluster, "six") == ours)


def test_pods_and_nodes_reach_services_of_both(
    cluster: Lab, pods: dict[str, list[str]], services: dict[str, Any]
) -> None:
    addresses = [*services["web"]["clusterIPs"], services["six"]["clusterIP"]]
    assert [":" in each for each in addresses] == [False, True, True]
    everyone = set(pods)
    for host, source in itertools.product(map(url_host, addresses), pods):
        wait_for(f"{source} reaches all by {host}", lambda: asked(cluster, source, host) == everyone)  # noqa: B023 - called at once
    for host, node in itertools.product(map(url_host, addresses), cluster.nodes):
        wait_for(f"{node} reaches all by {host}", lambda: asked_by_node(cluster, node, host) == everyone)  # noqa: B023 - called at once


def test_a_node_port_answers_by_both(cluster: Lab, pods: dict[str, list[str]], services: dict[str, Any]) -> None:
    """At the node's addresses of IPv6: in the lab it has the one of its own bridge."""
    port = services["web"]["ports"][0]["nodePort"]
    for source, (other, node) in zip(pods, [*zip(pods, cluster.nodes, strict=True)][::-1], strict=True):
        found = cluster.api.get(f"/api/v1/nodes/{node}").json()["spec"]["podCIDRs"]
        for network in map(ip_network, found):
            assert asked(cluster, source, url_host(str(network[1]), port), 20) >= {other}, f"{source} by {network[1]}"


def test_names_have_records_of_both(cluster: Lab, pods: dict[str, list[str]], services: dict[str, Any]) -> None:
    def records(name: str, kind: str) -> str:
        return cluster.kubectl("exec", "web-1", "--", "nslookup", f"-type={kind}", name).stdout

    for service, expected in (
        ("web", services["web"]["clusterIPs"]),
        ("each", [address for addresses in pods.values() for address in addresses]),
    ):
        name = f"{service}.default.svc.{DOMAIN}"
        for kind, six in (("a", False), ("aaaa", True)):
            wait_for(
                f"{kind} of {name}",
                lambda: all(each in records(name, kind) for each in expected if (":" in each) is six),  # noqa: B023 - called at once
            )
    for address in services["web"]["clusterIPs"]:
        assert f"web.default.svc.{DOMAIN}" in records(ip_address(address).reverse_pointer, "ptr")
    reverse = records(ip_address(pods["web-0"][1]).reverse_pointer, "ptr")
    assert f".each.default.svc.{DOMAIN}" in reverse


def test_pods_search_the_domain_of_the_cluster(cluster: Lab, pods: dict[str, list[str]]) -> None:
    resolver = cluster.kubectl("exec", "web-1", "--", "cat", "/etc/resolv.conf").stdout
    assert f"search default.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}" in resolver


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"SLIPWAY_POD_NETWORK": "10.96.0.0/12"}, ["the pod network 10.96.0.0/12", "the service network 10.96.0.0/16"]),
        ({"SLIPWAY_POD_NETWORK": "10.244.0.0/16,10.245.0.0/16"}, ["SLIPWAY_POD_NETWORK"]),
        ({"SLIPWAY_CLUSTER_DOMAIN": "Not_a.domain"}, ["SLIPWAY_CLUSTER_DOMAIN", "Not_a.domain"]),
        (
            {"SLIPWAY_POD_NETWORK": "10.233.0.0/16", "SLIPWAY_LAB_NETWORK": "10.233.5.0/24"},
            ["10.233.0.0/16", "10.233.5.0/24"],
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(
    tmp_path: Path, settings: dict[str, str], named: list[str]
) -> None:

    instance = prepare(tmp_path, **settings)
    done = subprocess.run(
        [sys.executable, "manage.py", "up", "--prepare-only"],
        env=dict(instance.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 1
    assert [word for word in named if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
