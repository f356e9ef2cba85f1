"""Between processes Redis carries the news; it may come and go."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from controlplane.store import feed
from schema.kinds import CONFIG_MAP
from tests.api import store_process

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE = 20


class Server:
    """A redis-server on a unix socket (whose path must be short)."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "s"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--daemonize", "no"],
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.socket.unlink(missing_ok=True)


@pytest.fixture
def server(settings, monkeypatch) -> Iterator[Server]:
    with TemporaryDirectory(prefix="slipway-redis-", dir="/tmp") as directory:
        started = Server(Path(directory))
        settings.REDIS_URL = f"unix://{started.socket}?db=0"
        monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
        # No poll: what arrives came by Redis.
        monkeypatch.setattr(feed, "_POLL_SECONDS", 3600.0)
        monkeypatch.setattr(feed, "_POLL_ALONE_SECONDS", 3600.0)
        started.start()
        yield started
        started.kill()


@pytest.fixture
async def following(server):
    started = feed.start()
    await started.ready()
    yield started
    await feed.stop()


async def _connected(following: feed.Feed, wanted: bool) -> None:
    async with asyncio.timeout(DEADLINE):
        while following._redis_is_there is not wanted:
            await asyncio.sleep(0.01)


async def _write(name: str) -> None:
    # The writer's process waits for its publisher: it would end before the thread has spoken.
    script = f"""
        from controlplane.store import announce
        objects.create(CONFIG_MAP, config_map({name!r}))
        announce.flush(10)
    """
    await asyncio.to_thread(store_process.run, script)


async def _next_name(subscription: feed.Subscription) -> str:
    async with asyncio.timeout(DEADLINE):
        return (await anext(subscription)).name


async def test_a_change_of_another_process_is_announced(following):
    await _connected(following, True)
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await _write("a")
    assert await _next_name(subscription) == "a"


async def test_what_was_written_while_redis_was_away_is_found_when_it_returns(following, server):
    await _connected(following, True)
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    server.kill()
    await _connected(following, False)
    await _write_without_redis("missed")
    server.start()
    assert await _next_name(subscription) == "missed"
    await _connected(following, True)
    await _write("later")
    assert await _next_name(subscription) == "later"


async def _write_without_redis(name: str) -> None:
    await asyncio.to_thread(store_process.run, f"objects.create(CONFIG_MAP, config_map({name!r}))")
