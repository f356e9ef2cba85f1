from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import hypothesis
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from tests import scheduling

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("slipway", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("slipway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = scheduling.arranged(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.DearestFirst:
    return scheduling.DearestFirst(config, log)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """A password is hashed for a quarter of a second, which the tests' users have no need of. Who reads the hash, another
    process too, finds in it how often."""
    with mock.patch.object(PBKDF2PasswordHasher, "iterations", 1):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The store's threads keep their database connections, and a database cannot be dropped under them."""
    from controlplane.store import pool

    yield
    pool.close_connections()
