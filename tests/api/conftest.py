from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import instance
from tests.api.client import Api, administrator_token
from tests.api.registry_disk import alice, listed, registry_home, storage

__all__ = ["alice", "api", "listed", "registry_home", "served", "storage"]


@pytest.fixture
def api(db: None) -> Api:
    """The API as a superuser sees it."""
    return Api(administrator_token())


@pytest.fixture(scope="package")
def served() -> Iterator[instance.Instance]:
    """The web process with both listeners, and a Redis."""
    with instance.running() as made:
        yield made
