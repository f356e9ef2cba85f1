"""A real worker and a real Redis, both of which may die at any time: no work is lost.

The test process writes to the store as a web process does; the worker sees it through Redis and the common database.
"""

from __future__ import annotations

import signal
import threading

import pytest

from controlplane.controllers import broker, queue
from controlplane.controllers.broker import Work
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from tests.api.cluster_objects import config_map, namespace, node, owned_by, pod
from tests.live import redis_server
from tests.worker import until, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_queue(monkeypatch):
    """What other tests' writes left behind stays there."""
    monkeypatch.setattr(queue, "_queue", None)
    yield
    broker.client().close()


def is_placed(name):
    return lambda: objects.get(kinds.POD, "default", name)["spec"].get("nodeName") == "node-a"


def is_gone(kind, namespace_, name):
    def check():
        try:
            objects.get(kind, namespace_, name)
        except NotFound:
            return True
        return False

    return check


def stop(child):
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_what_is_written_reaches_the_worker():
    with redis_server(), worker():
        node()
        pod("web")
        until(is_placed("web"))
        owner = config_map("owner")
        config_map("child", ownerReferences=[owned_by(owner)])
        objects.delete(kinds.CONFIG_MAP, "default", "owner")
        until(is_gone(kinds.CONFIG_MAP, "default", "child"))
        namespace("shop")
        until(lambda: not is_gone(kinds.SERVICE_ACCOUNT, "shop", "default")())
        objects.delete(kinds.NAMESPACE, "", "shop")
        until(is_gone(kinds.NAMESPACE, "", "shop"))


def test_writing_needs_no_redis_and_all_is_done_when_it_comes():
    node()
    pod("web")
    with worker() as child:
        assert queue.default().flush(0.2) is False, "nothing can be handed over yet"
        with redis_server():
            until(is_placed("web"))
        assert child.poll() is None


def test_tasks_flow_again_when_redis_died_and_came_back_empty():
    with worker() as child:
        with redis_server() as first:
            node()
            pod("before")
            until(is_placed("before"))
            stop(first)
        pod("meanwhile")
        with redis_server():
            until(is_placed("meanwhile"))
            pod("after")
            until(is_placed("after"))
            assert child.poll() is None


def test_redis_may_die_again_and_again_and_stay_away_for_a_while():
    with worker() as child:
        for index in range(3):
            with redis_server() as server:
                if index == 0:
                    node()
                pod(f"p{index}")
                until(is_placed(f"p{index}"))
                stop(server)
            threading.Event().wait(1.5)  # several of the worker's attempts fail
        assert child.poll() is None


def test_a_worker_killed_with_work_in_hand_is_succeeded_at_once():
    """What it held and what it had taken off the queue would otherwise stay blocked until it expires."""
    with redis_server():
        with worker() as first:
            node()
            pod("web")
            until(is_placed("web"))
            stop(first)
        drain = Work("controlplane.scheduler.tasks.drain")
        broker.client().set(drain.state_key, f"w:{broker._owner()}/killed", ex=600)
        pod("next")
        assert queue.default().flush(10)
        with worker():
            until(is_placed("next"))


def test_a_second_worker_takes_over_what_the_first_left_in_the_queue():
    with redis_server(), worker(SLIPWAY_WORKER_NAME="first") as first:
        node()
        pod("web")
        until(is_placed("web"))
        with worker(SLIPWAY_WORKER_NAME="second"):
            for index in range(20):
                pod(f"p{index}")
                if index == 10:
                    stop(first)
            for index in range(20):
                until(is_placed(f"p{index}"))


def test_a_key_is_never_worked_on_twice_at_once():
    work = Work("t", ("k",))
    with redis_server():
        assert broker.enqueue([work]) == 1
        assert broker.enqueue([work]) == 0, "queued already"
        token = broker.begin(work)
        assert token
        assert broker.begin(work) is None
        queued = broker.client().llen(broker._queue_key())
        broker.finish(work, token)
        assert broker.client().llen(broker._queue_key()) == queued + 1, "who was turned away had it queued again"
        second = broker.begin(work)
        assert second
        broker.finish(work, token)  # the first, late: its token is no longer the key's
        assert broker.begin(work) is None
        broker.finish(work, second)


def test_who_works_for_long_keeps_the_key_and_who_died_does_not(monkeypatch):
    monkeypatch.setattr(broker, "LEASE_SECONDS", 1)
    monkeypatch.setattr(broker, "RENEW_SECONDS", 0.1)
    monkeypatch.setattr(broker, "_keeper", broker._Keeper())
    work, lost = Work("t", ("long",)), Work("t", ("lost",))
    with redis_server():
        token = broker.begin(work)
        broker._keeper.release(broker.begin(lost) or "")  # as if its process had died
        tokens: list[str] = []

        def began_again() -> bool:
            tokens.extend(filter(None, [broker.begin(lost)]))
            return bool(tokens)

        until(began_again)
        assert broker.begin(work) is None, "older than the lost one, and still held"
        broker.finish(work, token)
        broker.finish(lost, tokens[0])  # nothing is renewed of which the server is gone


def test_a_lease_that_ran_out_takes_no_wake_up_along(monkeypatch):
    """A worker stood still for longer than its lease, after somebody had asked for the key."""
    monkeypatch.setattr(broker, "LEASE_SECONDS", 1)
    work = Work("t", ("k",))
    with redis_server():
        token = broker.begin(work) or ""
        broker._keeper.release(token)
        assert broker.enqueue([work]) == 0, "who works on it will have it queued again"
        until(lambda: broker.client().get(work.state_key) is None)
        queued = broker.client().llen(broker._queue_key())
        broker.finish(work, token)
        assert broker.client().llen(broker._queue_key()) == queued + 1


def test_failures_are_counted_until_a_success():
    work = Work("t", ("k",))
    with redis_server():
        for expected in (1, 2, 3):
            token = broker.begin(work)
            assert broker.finish(work, token, failed=True) == expected
        token = broker.begin(work)
        assert broker.finish(work, token) == 0
        token = broker.begin(work)
        assert broker.finish(work, token, failed=True) == 1


def test_a_period_is_claimed_by_one():
    with redis_server():
        assert broker.claim("beat", seconds=60)
        assert not broker.claim("beat", seconds=60)
