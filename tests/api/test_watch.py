"""Watches, as a client sees them line by line."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from controlplane.api import metrics, process, watching
from controlplane.api.handler import Handler
from controlplane.store import compaction, feed, objects, pool
from schema import kinds
from tests.api.asgi import AsgiClient
from tests.api.client import CONFIG_MAPS, PODS, administrator_token, config_map, pod
from tests.api.test_lists import TABLE

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def client() -> AsyncIterator[AsgiClient]:
    process.feed = feed.start()
    yield AsgiClient(Handler(), await sync_to_async(administrator_token)())
    await feed.stop()
    process.feed = None


def told(event: Any) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


async def make(client: AsgiClient, name: str, **labels: str) -> Any:
    body = config_map(name)
    body["metadata"]["labels"] = labels
    code, made = await client.send("POST", CONFIG_MAPS, body)
    assert code == 201, made
    return made


async def test_a_watch_without_a_start_tells_what_there_is_and_then_what_happens(client: AsgiClient):
    await make(client, "a")
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        assert (watch.status, watch.headers["content-type"]) == (200, "application/json")
        assert told(await watch.line()) == ("ADDED", "a")
        await make(client, "b")
        assert told(await watch.line()) == ("ADDED", "b")
        await client.send("PATCH", f"{CONFIG_MAPS}/b", {"data": {"x": "y"}}, "application/merge-patch+json")
        modified = await watch.line()
        assert told(modified) == ("MODIFIED", "b")
        assert modified["object"]["data"] == {"x": "y"}
        assert (modified["object"]["kind"], modified["object"]["apiVersion"]) == ("ConfigMap", "v1")
        await client.send("DELETE", f"{CONFIG_MAPS}/b", None)
        deleted = await watch.line()
        assert told(deleted) == ("DELETED", "b")
        assert int(deleted["object"]["metadata"]["resourceVersion"]) > int(
            modified["object"]["metadata"]["resourceVersion"]
        )


async def test_a_watch_from_a_version_tells_only_what_came_after(client: AsgiClient):
    first = await make(client, "a")
    await make(client, "b")
    version = first["metadata"]["resourceVersion"]
    async with client.open(f"{CONFIG_MAPS}?watch=1&resourceVersion={version}") as watch:
        assert told(await watch.line()) == ("ADDED", "b")


async def test_version_zero_begins_with_what_there_is(client: AsgiClient):
    await make(client, "a")
    async with client.open(f"{CONFIG_MAPS}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3Da") as watch:
        assert told(await watch.line()) == ("ADDED", "a")


async def test_a_watch_list_ends_its_state_with_a_bookmark(client: AsgiClient):
    await make(client, "a")
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with client.open(f"{CONFIG_MAPS}?{query}") as watch:
        added, bookmark = await watch.lines(2)
        assert told(added) == ("ADDED", "a")
        assert bookmark["type"] == "BOOKMARK"
        assert bookmark["object"]["kind"] == "ConfigMap"
        metadata = bookmark["object"]["metadata"]
        assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(metadata["resourceVersion"]) >= int(added["object"]["metadata"]["resourceVersion"])
        await make(client, "b")
        assert told(await watch.line()) == ("ADDED", "b")


async def test_an_empty_watch_list_is_a_bookmark_at_once(client: AsgiClient):
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    async with client.open(f"{PODS}?{query}") as watch:
        assert (await watch.line())["type"] == "BOOKMARK"


async def test_objects_that_enter_or_leave_a_selector_are_added_or_deleted(client: AsgiClient):
    await make(client, "a", tier="web")
    await make(client, "b", tier="db")

    async def label(name: str, tier: str) -> None:
        change = {"metadata": {"labels": {"tier": tier}}}
        await client.send("PATCH", f"{CONFIG_MAPS}/{name}", change, "application/merge-patch+json")

    async with client.open(f"{CONFIG_MAPS}?watch=true&labelSelector=tier%3Dweb") as watch:
        assert told(await watch.line()) == ("ADDED", "a")
        await label("b", "cache")  # neither before nor after: not told
        await label("b", "web")
        assert told(await watch.line()) == ("ADDED", "b")
        await label("a", "db")
        assert told(await watch.line()) == ("DELETED", "a")


async def test_a_watch_of_a_namespace_hears_nothing_of_others(client: AsgiClient):
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        await client.send("POST", "/api/v1/namespaces/kube-system/configmaps", config_map("elsewhere"))
        await make(client, "here")
        assert told(await watch.line()) == ("ADDED", "here")


async def test_a_watch_ends_cleanly_at_its_timeout(client: AsgiClient):
    async with client.open(f"{CONFIG_MAPS}?watch=true&timeoutSeconds=1") as watch:
        assert await watch.line() is None
        assert watch.complete


async def test_a_version_that_is_compacted_is_expired(client: AsgiClient):
    first = await make(client, "a")
    for number in range(5):
        await make(client, f"more-{number}")
    await pool.run(compaction.compact, keep_seconds=0.0, keep_rows=1)
    await feed.stop()  # what memory still holds would answer
    process.feed = feed.start()
    version = first["metadata"]["resourceVersion"]
    async with client.open(f"{CONFIG_MAPS}?watch=true&resourceVersion={version}") as watch:
        event = await watch.line()
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert await watch.line() is None


async def test_idle_watches_are_told_how_far_the_history_has_come(client: AsgiClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.05)
    async with client.open(f"{PODS}?watch=true&allowWatchBookmarks=true") as watch:
        made = await make(client, "unrelated")
        while True:
            event = await watch.line()
            assert event["type"] == "BOOKMARK"
            assert "annotations" not in event["object"]["metadata"]
            if int(event["object"]["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"]):
                break


async def test_the_table_form_defines_its_columns_once(client: AsgiClient):
    await client.send("POST", PODS, pod("a"))
    async with client.open(f"{PODS}?watch=true", accept=TABLE) as watch:
        first = await watch.line()
        assert first["object"]["kind"] == "Table"
        assert first["object"]["columnDefinitions"][0]["name"] == "Name"
        assert first["object"]["rows"][0]["object"]["metadata"]["name"] == "a"
        await client.send("POST", PODS, pod("b"))
        second = await watch.line()
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][0] == "b"
    version = first["object"]["metadata"]["resourceVersion"]
    async with client.open(f"{PODS}?watch=true&resourceVersion={version}", accept=TABLE) as watch:
        assert (await watch.line())["object"]["columnDefinitions"]


async def test_a_client_that_leaves_ends_its_watch(client: AsgiClient):
    gauge = metrics.WATCHES.labels("configmaps")
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        await make(client, "a")
        await watch.line()
        assert gauge._value.get() == 1
        watch.leave()
        await watch.ended()
        assert gauge._value.get() == 0
    assert not client.handler._streams


async def test_draining_ends_every_watch_as_complete(client: AsgiClient):
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        await make(client, "a")
        await watch.line()
        await client.handler.drain()
        assert await watch.line() is None
        assert watch.complete


async def test_a_hundred_watches_take_no_threads(client: AsgiClient):
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(client.open(f"{CONFIG_MAPS}?watch=true")) for _ in range(100)]
        before = threading.active_count()
        await make(client, "a")
        assert [told(await watch.line()) for watch in opened] == [("ADDED", "a")] * 100
        assert threading.active_count() == before


async def test_many_writers_are_seen_in_order_and_without_a_gap(client: AsgiClient):
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        await asyncio.gather(*(make(client, f"n{number}") for number in range(40)))
        events = await watch.lines(40)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(versions)
    assert {told(event)[1] for event in events} == {f"n{number}" for number in range(40)}


async def test_large_states_come_in_chunks_and_whole(client: AsgiClient):
    body = {"a": "x" * 3000}
    creates = [
        objects.Create(kinds.CONFIG_MAP, {"metadata": {"name": f"c{n:03}", "namespace": "default"}, "data": body})
        for n in range(200)
    ]
    await pool.run(objects.write_many, creates)
    async with client.open(f"{CONFIG_MAPS}?watch=true") as watch:
        events = await watch.lines(200)
    assert [told(event)[1] for event in events] == [f"c{n:03}" for n in range(200)]
