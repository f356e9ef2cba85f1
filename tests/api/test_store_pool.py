"""Async code's door to the database."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.db import OperationalError, connection

from controlplane.store import objects, pool, read
from controlplane.store.errors import NotFound
from schema.kinds import CONFIG_MAP
from tests.api.store_objects import config_map

pytestmark = pytest.mark.django_db(transaction=True)


async def test_results_and_errors_come_back():
    created = await pool.run(objects.create, CONFIG_MAP, config_map("a"))
    assert await pool.run(objects.get, CONFIG_MAP, "default", "a") == created
    with pytest.raises(NotFound):
        await pool.run(objects.get, CONFIG_MAP, "default", "b")


async def test_threads_and_their_connections_stay():
    def whoami() -> tuple[int, int]:
        connection.ensure_connection()
        return threading.get_ident(), id(connection.connection)

    seen = set()
    for _ in range(20):
        seen |= set(await asyncio.gather(*(pool.run(whoami) for _ in range(10))))
    assert len(seen) == len({thread for thread, _ in seen}) <= pool._pool.threads


async def test_a_connection_that_the_server_cut_is_replaced():
    if connection.vendor != "postgresql":
        pytest.skip("nobody can cut a SQLite connection")
    one = pool.Pool(1)
    backend = await one.run(lambda: read.query("SELECT pg_backend_pid()")[0][0])
    await pool.run(read.query, "SELECT pg_terminate_backend(%s)", [backend])
    with pytest.raises(OperationalError):
        await one.run(objects.current_revision)
    assert await one.run(objects.current_revision) > 0
    one.close_connections()


async def test_a_connection_cut_while_idle_is_not_noticed(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("nobody can cut a SQLite connection")
    monkeypatch.setattr(pool, "_IDLE_SECONDS", 0.0)
    one = pool.Pool(1)
    backend = await one.run(lambda: read.query("SELECT pg_backend_pid()")[0][0])
    await pool.run(read.query, "SELECT pg_terminate_backend(%s)", [backend])
    assert await one.run(objects.current_revision) > 0
    one.close_connections()


async def test_a_cancelled_caller_does_not_cut_the_write():
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(20)
        objects.create(CONFIG_MAP, config_map("a"))

    task = asyncio.create_task(pool.run(slow))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        while not (await pool.run(objects.list_objects, CONFIG_MAP)).items:
            await asyncio.sleep(0)
