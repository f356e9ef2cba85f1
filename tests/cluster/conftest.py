"""One instance and one registry for the whole module: starting them is the dear part."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import images, registry
from tests.cluster.instance import Instance, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/cluster/" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def test_registry() -> Iterator[registry.Registry]:
    with registry.start() as started:
        yield started


@pytest.fixture(scope="session")
def busybox(test_registry: registry.Registry) -> str:
    """The reference of a busybox image in the test registry."""
    return images.busybox().push(test_registry, "busybox:latest")


@pytest.fixture(scope="session")
def instance() -> Iterator[Instance]:
    if os.geteuid() != 0:
        pytest.skip("containers need root")
    with running() as started:
        yield started
