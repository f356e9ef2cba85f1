"""Real servers for tests: the web application under uvicorn (in this loop, or as processes), and Redis.

All use the test's database (``django_db(transaction=True)``) and home, so that a test can look into the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from django.conf import settings
from django.db import connection

DEADLINE_SECONDS = 90.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The signals are pytest's."""
        yield


def _listen() -> socket.socket:
    # asyncio switches Nagle's delay off only where it is told that this is TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


@asynccontextmanager
async def serve(application: Any, **options: Any) -> AsyncIterator[str]:
    """The application in this event loop; ``host:port``."""
    listener = _listen()
    config = uvicorn.Config(
        application,
        ws="wsproto",
        ws_ping_timeout=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
        **options,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@contextmanager
def process(application: str, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The application (``module:name``) in a process of its own; ``host:port`` and the process."""
    listener = _listen()
    listener.listen(128)
    command = [
        sys.executable, "-m", "uvicorn", application, "--fd", str(listener.fileno()), "--ws", "wsproto",
        "--ws-per-message-deflate", "false", "--ws-ping-timeout", "3600", "--lifespan", "off", "--log-level", "warning",
        "--timeout-graceful-shutdown", "1",
    ]  # fmt: skip
    child = subprocess.Popen(
        command,
        pass_fds=[listener.fileno()],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
            "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
            **environment,
        },
        cwd=Path(__file__).resolve().parent.parent,
    )
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    try:
        yield address, child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
        child.wait()


@contextmanager
def redis_server() -> Iterator[subprocess.Popen[bytes]]:
    """Redis where the settings expect it: on a unix socket in the test's home."""
    path = Path(settings.REDIS_URL.removeprefix("unix://").partition("?")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    binary = shutil.which("redis-server")
    assert binary, "redis-server is needed"
    child = subprocess.Popen(
        [
            binary,
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(path.parent),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_for_redis(path, child)
        yield child
    finally:
        child.kill()
        child.wait()
        path.unlink(missing_ok=True)


def _wait_for_redis(path: Path, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            if probe.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.02)
    raise RuntimeError("redis-server did not start")
