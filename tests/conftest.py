from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The store's threads keep their database connections, and a database cannot be dropped under them."""
    from controlplane.store import pool

    yield
    pool.close_connections()
