"""A store of images, its home and a registry, for whoever asks for them by these names."""

from __future__ import annotations

import pytest

from tests import registry
from tests.agent.images_host import opened, scratch


@pytest.fixture
def home():
    with scratch() as directory:
        yield directory


@pytest.fixture
async def store(home):
    async with opened(home) as one:
        yield one


@pytest.fixture(scope="session")
def hub():
    """Whoever counts what it holds starts another."""
    with registry.start() as running:
        yield running


@pytest.fixture
def proxy(hub):
    with registry.FaultyProxy(hub.host).running() as running:
        yield running
