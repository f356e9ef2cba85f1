from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from controlplane.access import tokens, users
from controlplane.nodes import hub
from controlplane.store import feed, pool
from tests import instance, live
from tests.api.client import Api, administrator_token
from tests.api.nodes_application import application
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


@pytest.fixture
def stream_routes(settings: Any) -> None:
    """Streams alone, and nobody is remembered."""
    settings.ROOT_URLCONF = "controlplane.api.streams"
    tokens.forget()


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Of the web application in this loop, host and port."""
    async with live.serve(application) as found:
        yield found
    await hub.current().aclose()
    await feed.stop()


@pytest.fixture
async def admin() -> dict[str, str]:
    """The header of a superuser."""
    tokens.forget()
    user, _ = await pool.run(users.ensure_admin)
    return {"Authorization": "Bearer " + await pool.run(tokens.issue_for_user, user, "test")}
