"""Loaded before Django's settings are: the tests get a home of their own and never touch an instance on this machine.

``DATABASE_URL`` may name a PostgreSQL server to run the store's tests against.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" not in os.environ and "SLIPWAY_TEST_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="slipway-tests-")
    os.environ["SLIPWAY_HOME"] = os.environ["SLIPWAY_TEST_HOME"] = _home
    _owner = os.getpid()

    def _remove() -> None:
        # Children of a fork inherit the handler, but not the right to use it.
        if os.getpid() == _owner:
            shutil.rmtree(_home, ignore_errors=True)

    atexit.register(_remove)

if _worker := os.environ.get("PYTEST_XDIST_WORKER"):
    # Two workers must not share a Redis, a database or a queue.
    os.environ["SLIPWAY_HOME"] = os.path.join(os.environ["SLIPWAY_TEST_HOME"], _worker)  # noqa: PTH118
    os.makedirs(os.environ["SLIPWAY_HOME"], exist_ok=True)  # noqa: PTH103
