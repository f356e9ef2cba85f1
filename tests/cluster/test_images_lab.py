"""Images in a cluster of several nodes: layers come from other nodes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from tests import images
from tests.cluster.instance import container_status
from tests.cluster.lab import Lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@contextlib.contextmanager
def without_registry(cluster: Lab, node: str) -> Iterator[None]:
    """The node's connections to the registry are refused."""
    rules = (
        f"add table inet away; add chain inet away out {{ type filter hook output priority 0; }}; add rule inet away out \
        ip daddr {cluster.gateway} tcp dport {cluster.registry_port} reject with tcp reset"
    )
    cluster.exec_on(node, ["nft", rules])
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
        with without_registry(cluster, two):
            cluster.create(pod("gets-it", container("main", pinned, script), nodeName=two))
            cluster.wait_running("gets-it")
            assert cluster.logs("gets-it") == "from the registry\n"
            found = cluster.pod("gets-it")
            assert found is not None
            assert container_status(found, "main")["imageID"].endswith(built.digest)
    for name in ("has-it", "gets-it"):
        cluster.delete_pod(name)
