"""One instance and one registry for the whole module: starting them is the dear part."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import images, registry
from tests.cluster.instance import Instance, running
from tests.cluster.lab import Lab, lab
from tests.ports import free_port


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster/" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="package")
def test_registry() -> Iterator[registry.Registry]:
    with registry.start() as started:
        yield started


@pytest.fixture(scope="package")
def busybox(test_registry: registry.Registry) -> str:
    """The reference of a busybox image in the test registry."""
    return images.busybox().push(test_registry, "busybox:latest")


@pytest.fixture(scope="package")
def cluster() -> Iterator[Lab]:
    """Three nodes, for all tests that share them: what one breaks it heals."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with lab(nodes=3, SLIPWAY_REGISTRY_PORT=str(free_port())) as made:
        yield made


@pytest.fixture(scope="package")
def cluster_busybox(cluster: Lab) -> Iterator[str]:
    """The reference of a busybox image in a registry that every node of `cluster` reaches."""
    with cluster.registry() as started:
        yield images.busybox().push(started, "busybox:latest")


@pytest.fixture(scope="package")
def instance(test_registry: registry.Registry) -> Iterator[Instance]:
    """With a registry of its own, and a cache of the test registry, which goes by the name ``upstream.test``. It measures every
    second what is used."""
    if os.geteuid() != 0:
        pytest.skip("containers need root")
    port = str(free_port(following=1))
    caches = f"upstream.test=http://{test_registry.host}"
    with running(SLIPWAY_REGISTRY_PORT=port, SLIPWAY_REGISTRY_CACHES=caches, SLIPWAY_METRICS_SECONDS="1") as started:
        yield started
