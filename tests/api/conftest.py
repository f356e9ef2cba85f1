from __future__ import annotations

import pytest

from tests.api.client import Api, administrator_token


@pytest.fixture
def api(db: None) -> Api:
    """The API as a superuser sees it."""
    return Api(administrator_token())
