"""Images in a cluster of several nodes: layers come from other nodes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import images
from tests.cluster import clients
from tests.cluster.instance import container_status, wait_for
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@contextlib.contextmanager
def without(cluster: Lab, node: str, port: int) -> Iterator[None]:
    """The node's connections to the port are refused, wherever they go."""
    chain = "add chain inet away out { type filter hook output priority 0; }"
    rule = f"add rule inet away out tcp dport {port} reject with tcp reset"
    cluster.exec_on(node, ["nft", f"add table inet away; {chain}; {rule}"])
    try:
        yield
    finally:
        cluster.exec_on(node, ["nft", "delete table inet away"])


def test_a_pod_starts_from_another_nodes_layers_when_the_registry_is_away(cluster: Lab) -> None:
    one, two = cluster.nodes[1:]
    layer = images.layer([images.file("proof", "from the registry\n"), images.file("noise", os.urandom(2_000_000))])
    built = images.busybox(extra=[layer])
    with cluster.registry() as hub:
        reference = built.push(hub, "shared/app:1")
        pinned = f"{reference.rpartition(':')[0]}@{built.digest}"
        script = "cat /proof; sleep 3600"
        cluster.create(pod("has-it", container("main", reference, script), nodeName=one))
        cluster.wait_running("has-it")
        with without(cluster, two, cluster.registry_port):
            cluster.create(pod("gets-it", container("main", pinned, script), nodeName=two))
            cluster.wait_running("gets-it")
            wait_for("its word in the log", lambda: cluster.logs("gets-it") == "from the registry\n")
            found = cluster.pod("gets-it")
            assert found is not None
            assert container_status(found, "main")["imageID"].endswith(built.digest)
    for name in ("has-it", "gets-it"):
        cluster.delete_pod(name)


def test_an_image_of_the_clusters_registry_comes_from_nodes_to_those_whose_pods_name_it(
    cluster: Lab, tmp_path: Path
) -> None:
    one, two = cluster.nodes[1:]
    admin = clients.skopeo(cluster, tmp_path)
    archive = clients.archive(tmp_path, content="from the cluster's registry")
    assert admin.push(archive, "default/shared:1")
    pinned = admin.reference(f"default/shared@{admin.inspect('default/shared:1')['Digest']}")
    cluster.create(pod("has-own", container("main", pinned, "sleep 3600"), nodeName=one))
    cluster.wait_running("has-own")
    with without(cluster, two, int(admin.address.rpartition(":")[2])):
        cluster.create(pod("gets-own", container("main", pinned, "sleep 3600"), nodeName=two))
        cluster.wait_running("gets-own")
    for name in ("has-own", "gets-own"):
        cluster.delete_pod(name)


def test_every_node_of_a_lab_knows_it_by_the_same_name(cluster: Lab, tmp_path: Path) -> None:
    admin = clients.skopeo(cluster, tmp_path)
    assert admin.push(clients.archive(tmp_path), "default/everywhere:1")
    image = f"localhost:{admin.address.rpartition(':')[2]}/default/everywhere:1"
    container = {"name": "main", "image": image, "command": ["sleep", "1000"], "imagePullPolicy": "Always"}
    for node in cluster.nodes:
        spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]}
        cluster.create({"kind": "Pod", "metadata": {"name": f"pulls-{node}"}, "spec": spec})
    for node in cluster.nodes:
        cluster.wait_running(f"pulls-{node}")
        cluster.delete_pod(f"pulls-{node}")
