"""One ordered history without gaps: under races, killed writers, compaction, and between the pages of a list."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controlplane.store import compaction, objects
from controlplane.store.errors import Expired, Invalid, StoreError
from controlplane.store.read import query
from schema.kinds import CONFIG_MAP, POD, SECRET
from schema.selectors import FieldSelector, LabelSelector
from tests.api import store_process
from tests.api.store_objects import config_map, pod

pytestmark = pytest.mark.django_db(transaction=True)


def _all_changes():
    return objects.changes_since(0, 100_000)


def test_every_write_takes_the_next_revision():
    start = objects.current_revision()
    created = objects.create(CONFIG_MAP, config_map("a"))
    replaced = objects.replace(CONFIG_MAP, config_map("a", x="y"))
    deleted = objects.delete(CONFIG_MAP, "default", "a").object
    changes = objects.changes_since(start, 10)
    assert [change.revision for change in changes] == [start + 1, start + 2, start + 3]
    assert [change.type.value for change in changes] == ["ADDED", "MODIFIED", "DELETED"]
    assert [change.object for change in changes] == [created, replaced, deleted]
    assert objects.current_revision() == start + 3


def test_racing_threads_and_processes_leave_no_gap():
    start = objects.current_revision()

    def work(index: int) -> None:
        try:
            for number in range(40):
                objects.create(CONFIG_MAP, config_map(f"{index}-{number}"))
                objects.mutate(CONFIG_MAP, "default", f"{index}-{number}", lambda wire: {**wire, "data": {"x": "y"}})
        finally:
            connections.close_all()

    script = "for n in range(150): objects.create(CONFIG_MAP, config_map(f'{sys.argv[1]}-{n}'))"
    crowd = store_process.Crowd(script, "p0", "p1")
    with ThreadPoolExecutor(4) as executor:
        crowd.go()
        for job in [executor.submit(work, index) for index in range(4)]:
            job.result()
    crowd.wait()
    changes = objects.changes_since(start, 10_000)
    assert [change.revision for change in changes] == list(range(start + 1, start + 1 + 4 * 80 + 2 * 150))
    assert all(int(change.object["metadata"]["resourceVersion"]) == change.revision for change in changes)


def test_a_reader_that_sees_a_revision_sees_all_before_it():
    """Follows the history while others write: what was read once never grows a predecessor afterwards."""
    start = objects.current_revision()
    with ThreadPoolExecutor(3) as executor:
        script = "for n in range(100): objects.create(CONFIG_MAP, config_map(f'{sys.argv[1]}-{n}'))"
        jobs = [executor.submit(store_process.run, script, f"p{index}") for index in range(3)]
        seen: list[int] = []
        while len(seen) < 300:
            seen += [change.revision for change in objects.changes_since(seen[-1] if seen else start, 7)]
            assert seen == list(range(start + 1, start + 1 + len(seen)))
            if all(job.done() for job in jobs):
                for job in jobs:
                    job.result()


def test_a_writer_killed_before_its_commit_leaves_nothing():
    start = objects.current_revision()
    script = """
        with transaction.begin() as tx:
            from controlplane.store import write
            for name in ("a", "b"):
                write.create(tx, CONFIG_MAP, config_map(name))
            tx.flush()
            print("flushed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    with store_process.start(script) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "flushed\n"
    assert process.returncode == -signal.SIGKILL
    assert objects.list_objects(CONFIG_MAP).items == []
    assert objects.current_revision() == start
    objects.create(CONFIG_MAP, config_map("next"))
    assert [change.revision for change in objects.changes_since(start, 10)] == [start + 1]


def test_a_writer_killed_at_any_moment_leaves_whole_objects_and_no_gap():
    script = """
        number = 0
        while True:
            objects.write_many([objects.Create(CONFIG_MAP, config_map(f"{sys.argv[1]}-{number}-{part}")) for part in range(3)])
            number += 1
            print(number, flush=True)
    """
    for attempt in range(4):
        with store_process.start(script, f"k{attempt}") as process:
            assert process.stdout is not None
            for _ in range(10 + 3 * attempt):
                process.stdout.readline()
            process.kill()
    changes = [change for change in _all_changes() if change.kind is CONFIG_MAP]
    stored = {item["metadata"]["name"]: item for item in objects.list_objects(CONFIG_MAP).items}
    assert len(stored) % 3 == 0
    assert len(stored) >= 4 * 10 * 3
    assert {change.name: change.object for change in changes} == stored
    revisions = [change.revision for change in _all_changes()]
    assert revisions == list(range(1, objects.current_revision() + 1))


# Compaction


def test_an_older_start_than_the_history_is_expired():
    for number in range(10):
        objects.create(CONFIG_MAP, config_map(f"c{number}"))
        objects.replace(CONFIG_MAP, config_map(f"c{number}", x="y"))
    head = objects.current_revision()
    assert compaction.compact(keep_rows=5) == head - 5 == objects.compacted_revision()
    with pytest.raises(Expired):
        objects.changes_since(head - 6, 10)
    assert len(objects.changes_since(head - 5, 10)) == 5


def test_compaction_keeps_the_newest_change_of_what_lives_and_nothing_else():
    objects.create(CONFIG_MAP, config_map("kept"))
    for number in range(5):
        objects.replace(CONFIG_MAP, config_map("kept", n=str(number)))
    objects.create(CONFIG_MAP, config_map("gone"))
    objects.delete(CONFIG_MAP, "default", "gone")
    compaction.compact(keep_seconds=-1, keep_rows=100_000)
    rows = query("SELECT name, type FROM store_change WHERE kind = 'configmaps'")
    assert rows == [("kept", "MODIFIED")]
    assert compaction.compact(keep_seconds=-1) == objects.current_revision()


def test_compaction_in_small_steps_keeps_the_same(monkeypatch):
    monkeypatch.setattr(compaction, "_STEP", 2)
    test_compaction_keeps_the_newest_change_of_what_lives_and_nothing_else()


def test_young_history_is_kept():
    objects.create(CONFIG_MAP, config_map("a"))
    before = len(_all_changes())
    assert compaction.compact(keep_seconds=3600, keep_rows=1000) == 0
    assert len(_all_changes()) == before


# Pages


def _pages(limit, between=lambda: None, **arguments):
    page = objects.list_objects(CONFIG_MAP, limit=limit, **arguments)
    pages = [page]
    while page.continue_token:
        between()
        page = objects.list_objects(CONFIG_MAP, limit=limit, continue_token=page.continue_token, **arguments)
        pages.append(page)
    return pages


def _disturb():
    """Add, alter and remove on both sides of wherever a page may end."""
    number = objects.current_revision()
    objects.create(CONFIG_MAP, config_map(f"c0-new-{number}"))
    objects.create(CONFIG_MAP, config_map(f"c9-new-{number}"))
    names = [item["metadata"]["name"] for item in objects.list_objects(CONFIG_MAP).items]
    objects.delete(CONFIG_MAP, "default", names[-2])
    objects.replace(CONFIG_MAP, config_map(names[-3], changed=str(number)))
    objects.replace(CONFIG_MAP, config_map(names[0], changed=str(number)))


def test_pages_show_one_moment_whatever_is_written_between_them():
    for number in range(10):
        objects.create(CONFIG_MAP, config_map(f"c{number}"))
    moment = objects.list_objects(CONFIG_MAP)
    pages = _pages(3, _disturb)
    assert [item for page in pages for item in page.items] == moment.items
    assert {page.revision for page in pages} == {moment.revision}
    assert [page.remaining for page in pages] == [7, 4, 1, None] or pages[0].remaining == 7


def test_pages_of_secrets_come_from_the_sealed_history():
    for number in range(4):
        objects.create(SECRET, {"metadata": {"name": f"s{number}", "namespace": "default"}, "data": {"k": "djE="}})
    moment = objects.list_objects(SECRET)
    page = objects.list_objects(SECRET, limit=2)
    objects.delete(SECRET, "default", "s2")
    objects.replace(SECRET, {"metadata": {"name": "s3", "namespace": "default"}, "data": {"k": "djI="}})
    rest = objects.list_objects(SECRET, limit=2, continue_token=page.continue_token)
    assert page.items + rest.items == moment.items


def test_pages_obey_their_selectors_at_their_moment():
    for number in range(8):
        objects.create(POD, pod(f"p{number}", labels={"half": str(number % 2), "n": str(number)}))
    selectors: dict[str, Any] = {
        "labels": LabelSelector.parse("half=0,n<9"),
        "fields": FieldSelector.parse("spec.restartPolicy="),
    }
    moment = objects.list_objects(POD, **selectors)
    page = objects.list_objects(POD, limit=1, **selectors)
    objects.replace(POD, pod("p4", labels={"half": "1"}))
    objects.replace(POD, pod("p5", labels={"half": "0"}))
    rest = objects.list_objects(POD, continue_token=page.continue_token, **selectors)
    assert page.items + rest.items == moment.items
    assert len(moment.items) == 4


def test_a_token_older_than_the_history_is_expired():
    for number in range(4):
        objects.create(CONFIG_MAP, config_map(f"c{number}"))
    page = objects.list_objects(CONFIG_MAP, limit=2)
    objects.replace(CONFIG_MAP, config_map("c3", x="y"))
    compaction.compact(keep_rows=0)
    with pytest.raises(Expired):
        objects.list_objects(CONFIG_MAP, limit=2, continue_token=page.continue_token)


@pytest.mark.parametrize("token", ["x", "bm9uc2Vuc2U=", "WzEsICJwb2RzIiwgMSwgIiIsICJhIl0=", "WzEsMl0=", "ä"])
def test_a_foreign_token_is_invalid(token):
    with pytest.raises(Invalid):
        objects.list_objects(CONFIG_MAP, continue_token=token)


# Everything together: the history replayed is the tables

_NAMES = st.sampled_from(["a", "b", "c"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), _NAMES, st.booleans()),
        st.tuples(st.just("replace"), _NAMES, st.sampled_from(["1", "2"])),
        st.tuples(st.just("delete"), _NAMES, st.none()),
        st.tuples(st.just("compact"), st.integers(0, 5), st.none()),
        st.tuples(st.just("page"), st.integers(1, 2), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_the_history_replayed_is_the_state(steps):
    for item in objects.list_objects(CONFIG_MAP).items:
        _discard(item)
    replica: dict[str, Any] = {}
    position = objects.current_revision()
    open_pages: list[tuple[list[Any], objects.Page[Any], int]] = []
    for step, argument, detail in steps:
        if step == "page":
            open_pages.append(
                (objects.list_objects(CONFIG_MAP).items, objects.list_objects(CONFIG_MAP, limit=argument), argument)
            )
        elif step == "compact":
            compaction.compact(keep_rows=argument)
        else:
            _step(step, argument, detail)
        if position < objects.compacted_revision():
            # What a watcher does when it is too late: list again.
            page = objects.list_objects(CONFIG_MAP)
            position, replica = page.revision, {item["metadata"]["name"]: item for item in page.items}
        for change in objects.changes_since(position, 100):
            position = change.revision
            if change.type == "DELETED":
                del replica[change.name]
            else:
                replica[change.name] = change.object
    assert [replica[name] for name in sorted(replica)] == objects.list_objects(CONFIG_MAP).items
    for whole, page, limit in open_pages:
        _finish_pages(whole, page, limit)


def _finish_pages(whole, page, limit):
    items = list(page.items)
    try:
        while page.continue_token:
            page = objects.list_objects(CONFIG_MAP, limit=limit, continue_token=page.continue_token)
            items += page.items
    except Expired:
        assert page.revision < objects.compacted_revision()
        return
    assert items == whole


def _step(step, name, detail):
    try:
        if step == "create":
            wire = config_map(name)
            if detail:
                wire["metadata"]["finalizers"] = ["example.com/x"]
            objects.create(CONFIG_MAP, wire)
        elif step == "replace":
            objects.replace(CONFIG_MAP, config_map(name, value=detail))
        else:
            objects.delete(CONFIG_MAP, "default", name)
    except StoreError:
        pass


def _discard(item):
    name = item["metadata"]["name"]
    objects.replace(CONFIG_MAP, config_map(name, last="word"))
    if not item["metadata"].get("deletionTimestamp"):
        objects.delete(CONFIG_MAP, "default", name)
