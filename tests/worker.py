"""A real worker process on the test's database and Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from controlplane.instance.processes import WORKER_ARGUMENTS

DEADLINE_SECONDS = 90.0


def until(condition: Callable[[], object], *, seconds: float = DEADLINE_SECONDS, what: str = "") -> None:
    """Wait for a condition that other processes bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.01)


@contextmanager
def worker(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Started, not necessarily ready; killed at the end."""
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "celery", "--app", "controlplane", "--quiet", "worker", "--loglevel", "WARNING"),
            *WORKER_ARGUMENTS,
        ],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
            "SLIPWAY_HOME": str(settings.HOME),
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            **environment,
        },
        cwd=Path(__file__).resolve().parent.parent,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()
