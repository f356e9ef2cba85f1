"""A store of images, its home and a registry, and a runtime for containers, for whoever asks for them by these names."""

from __future__ import annotations

import pytest

from tests import registry
from tests.agent import host
from tests.agent.images_host import opened, scratch
from tests.agent.runtime_machine import machine_with


@pytest.fixture
def home():
    with scratch() as directory:
        yield directory


@pytest.fixture
async def store(home):
    async with opened(home) as one:
        yield one


@pytest.fixture(scope="package")
def hub():
    """Whoever counts what it holds starts another."""
    with registry.start() as running:
        yield running


@pytest.fixture
def proxy(hub):
    with registry.FaultyProxy(hub.host).running() as running:
        yield running


@pytest.fixture(scope="module")
def busybox_root(tmp_path_factory):
    """What containers without an image begin with."""
    return host.make_root(tmp_path_factory.mktemp("image") / "root")


@pytest.fixture
async def machine(busybox_root):
    async with machine_with(busybox_root) as made:
        yield made


@pytest.fixture(params=["crun", "runc"])
async def any_machine(busybox_root, request):
    async with machine_with(busybox_root, request.param) as made:
        yield made
