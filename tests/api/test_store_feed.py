"""The feed hands out every change once and in order, whoever wrote it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, connections

from controlplane.store import compaction, feed, objects, pool
from controlplane.store.errors import Expired
from controlplane.store.record import ChangeType
from schema.kinds import CONFIG_MAP, NAMESPACE, POD, SECRET
from schema.selectors import FieldSelector, LabelSelector
from tests.api import store_process
from tests.api.store_objects import config_map, pod

pytestmark = pytest.mark.django_db(transaction=True)
DEADLINE = 20


@pytest.fixture
async def following():
    started = feed.start()
    await started.ready()
    yield started
    await feed.stop()


async def take(subscription: feed.Subscription, count: int):
    async with asyncio.timeout(DEADLINE):
        return [await anext(subscription) for _ in range(count)]


async def test_a_commit_in_this_process_arrives_without_a_query(following, monkeypatch):
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await subscription.settle()

    def refuse(*_):
        raise AssertionError("the feed asked the database for what it was handed")

    monkeypatch.setattr("controlplane.store.history.changes_since", refuse)
    created = await pool.run(objects.create, CONFIG_MAP, config_map("a"))
    (record,) = await take(subscription, 1)
    assert record.type is ChangeType.ADDED
    assert record.object == created
    assert subscription.revision == int(created["metadata"]["resourceVersion"])


async def test_a_subscription_sees_only_its_kinds_and_namespace(following):
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision, namespace="kube-system")
    await pool.run(objects.create, CONFIG_MAP, config_map("elsewhere"))
    await pool.run(objects.create, SECRET, config_map("other-kind", "kube-system"))
    await pool.run(objects.create, CONFIG_MAP, config_map("mine", "kube-system"))
    (record,) = await take(subscription, 1)
    assert record.name == "mine"


async def test_a_subscription_asks_its_match(following):
    subscription = feed.subscribe(
        {POD}, after=following.revision, match=lambda record: record.fields["spec.nodeName"] == "n1"
    )
    await pool.run(objects.create, POD, pod("loose"))
    await pool.run(objects.create, POD, pod("bound", node="n1"))
    (record,) = await take(subscription, 1)
    assert record.name == "bound"


async def test_an_old_start_replays_from_the_database_and_goes_on_live():
    first = await pool.run(objects.current_revision)
    for number in range(1200):
        await pool.run(objects.write_many, [objects.Create(CONFIG_MAP, config_map(f"c{number}"))])
    await feed.stop()
    started = feed.start()
    await started.ready()
    subscription = feed.subscribe({CONFIG_MAP}, after=first)
    await pool.run(objects.create, CONFIG_MAP, config_map("last"))
    records = await take(subscription, 1201)
    assert [record.revision for record in records] == list(range(first + 1, first + 1202))
    assert records[-1].name == "last"
    await feed.stop()


async def test_a_start_before_the_history_is_expired(following):
    for number in range(5):
        await pool.run(objects.create, CONFIG_MAP, config_map(f"c{number}"))
    await feed.stop()
    await pool.run(compaction.compact, keep_rows=1)
    subscription = feed.subscribe({CONFIG_MAP}, after=4)
    with pytest.raises(Expired):
        await take(subscription, 1)


async def test_a_start_ahead_of_the_database_is_expired(following):
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision + 1000)
    with pytest.raises(Expired):
        await take(subscription, 1)


async def test_a_history_set_back_expires_the_watches(following, monkeypatch):
    monkeypatch.setattr(feed, "_POLL_ALONE_SECONDS", 0.01)
    await pool.run(objects.create, CONFIG_MAP, config_map("a"))
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await subscription.settle()

    def set_back():
        with connection.cursor() as cursor:
            cursor.execute("UPDATE store_revision SET value = 1")

    await pool.run(set_back)
    with pytest.raises(Expired):
        await take(subscription, 1)


async def test_a_slow_watcher_gets_what_was_queued_and_is_then_dropped(following, monkeypatch):
    monkeypatch.setattr(feed, "QUEUE_RECORDS", 3)
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await subscription.settle()
    for number in range(5):
        await pool.run(objects.create, CONFIG_MAP, config_map(f"c{number}"))
    assert [record.name for record in await take(subscription, 3)] == ["c0", "c1", "c2"]
    with pytest.raises(Expired):
        await take(subscription, 1)


async def test_the_ring_is_bounded_and_the_rest_comes_from_the_database(following, monkeypatch):
    monkeypatch.setattr(feed, "RING_RECORDS", 10)
    start = following.revision
    for number in range(50):
        await pool.run(objects.create, CONFIG_MAP, config_map(f"c{number}"))
    assert len(following._ring) <= 10
    names = [record.name for record in await take(feed.subscribe({CONFIG_MAP}, after=start), 50)]
    assert names == [f"c{number}" for number in range(50)]


async def test_a_change_of_another_process_arrives_without_redis(following):
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await asyncio.to_thread(store_process.run, "objects.create(CONFIG_MAP, config_map('theirs'))")
    (record,) = await take(subscription, 1)
    assert record.name == "theirs"


async def test_a_local_commit_that_runs_ahead_waits_for_the_foreign_one_before_it(monkeypatch):
    monkeypatch.setattr(feed, "_POLL_ALONE_SECONDS", 3600.0)
    following = feed.start()
    await following.ready()
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await subscription.settle()
    await asyncio.to_thread(store_process.run, "objects.create(CONFIG_MAP, config_map('theirs'))")
    await pool.run(objects.create, CONFIG_MAP, config_map("ours"))
    assert [record.name for record in await take(subscription, 2)] == ["theirs", "ours"]
    await feed.stop()


async def test_nothing_is_skipped_or_swapped_under_writers_in_threads_and_processes(following):
    start = following.revision
    early = feed.subscribe({CONFIG_MAP}, after=start)
    script = "for n in range(150): objects.create(CONFIG_MAP, config_map(f'{sys.argv[1]}-{n}'))"
    crowd = await asyncio.to_thread(store_process.Crowd, script, "p0", "p1")

    def thread(index: int) -> None:
        try:
            for number in range(100):
                objects.create(CONFIG_MAP, config_map(f"t{index}-{number}"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as executor:
        crowd.go()
        jobs = [executor.submit(thread, index) for index in range(3)]
        records = await take(early, 600)
        for job in jobs:
            await asyncio.wrap_future(job)
    await asyncio.to_thread(crowd.wait)
    revisions = [record.revision for record in records]
    assert revisions == list(range(start + 1, start + 601))
    assert len({record.name for record in records}) == 600
    late = await take(feed.subscribe({CONFIG_MAP}, after=start + 100), 500)
    assert [record.revision for record in late] == revisions[100:]


async def test_a_database_error_does_not_end_the_feed(following, monkeypatch):
    from django.db import OperationalError

    from controlplane.store import history

    genuine, failed = history.changes_since, threading.Event()

    def failing(*arguments):
        if not failed.is_set():
            failed.set()
            raise OperationalError("the server closed the connection unexpectedly")
        return genuine(*arguments)

    monkeypatch.setattr(history, "changes_since", failing)
    subscription = feed.subscribe({CONFIG_MAP}, after=following.revision)
    await subscription.settle()
    await asyncio.to_thread(store_process.run, "objects.create(CONFIG_MAP, config_map('theirs'))")
    (record,) = await take(subscription, 1)
    assert failed.is_set()
    assert record.name == "theirs"


# Selectors


@pytest.mark.parametrize(
    ("labels", "seen"),
    [
        ("app=web", ChangeType.DELETED),
        ("app=db", ChangeType.ADDED),
        ("app", ChangeType.MODIFIED),
        ("tier", None),
    ],
)
def test_a_relabelled_object_leaves_and_enters_selectors(labels, seen):
    objects.create(POD, pod("a", labels={"app": "web"}))
    objects.replace(POD, pod("a", labels={"app": "db"}))
    (record,) = objects.changes_since(objects.current_revision() - 1, 1)
    assert record.seen_through(LabelSelector.parse(labels), None) is seen


@pytest.mark.parametrize(
    ("fields", "seen"),
    [
        ("status.phase=Pending", ChangeType.DELETED),
        ("status.phase=Running", ChangeType.ADDED),
        ("status.phase!=Failed", ChangeType.MODIFIED),
        ("status.phase=Failed", None),
    ],
)
def test_a_new_phase_leaves_and_enters_field_selectors(fields, seen):
    objects.create(POD, pod("a"))
    objects.write_many([objects.Status(POD, "default", "a", {"phase": "Running"})])
    (record,) = objects.changes_since(objects.current_revision() - 1, 1)
    assert record.seen_through(None, FieldSelector.parse(fields)) is seen


def test_the_last_word_about_an_object_reaches_those_who_knew_it():
    objects.create(POD, pod("a", labels={"app": "web"}))
    objects.delete(POD, "default", "a")
    (record,) = objects.changes_since(objects.current_revision() - 1, 1)
    assert record.type is ChangeType.DELETED
    assert int(record.object["metadata"]["resourceVersion"]) == record.revision
    assert record.seen_through(LabelSelector.parse("app=web"), None) is ChangeType.DELETED
    assert record.seen_through(LabelSelector.parse("app=db"), None) is None


async def test_an_object_is_encoded_once_for_all_watchers(following):
    first = feed.subscribe({NAMESPACE}, after=following.revision)
    second = feed.subscribe({NAMESPACE}, after=following.revision)
    await pool.run(objects.create, NAMESPACE, {"metadata": {"name": "fresh"}})
    (one,), (other,) = await take(first, 1), await take(second, 1)
    assert one.frame() is other.frame()
    assert one.frame().startswith(b'{"type":"ADDED","object":{')
    assert one.frame().endswith(b"}\n")
