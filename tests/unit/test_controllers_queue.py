"""The thread between commits and Redis: gathers, retries, remembers, delays. Without Redis."""

from __future__ import annotations

import threading

import pytest

from controlplane.controllers import queue
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import BrokerAway

A, B, C = (Work("t", (name,)) for name in "abc")


class Broker:
    """Notes what it is sent; may be away."""

    def __init__(self):
        self.sent = []
        self.away = False
        self.attempts = threading.Semaphore(0)

    def __call__(self, work):
        self.attempts.release()
        if self.away:
            raise BrokerAway("nobody listens")
        self.sent.extend(work)


@pytest.fixture
def broker(monkeypatch):
    monkeypatch.setattr(queue, "RETRY_SECONDS", 0.01)
    return Broker()


def test_it_sends_what_the_changes_concern(broker):
    made = queue.Queue(lambda change: [A, B] if change == "x" else [], broker)
    made.changed(["x", "y", "x"])
    assert made.flush(5)
    assert broker.sent == [A, B]


def test_it_says_nothing_twice_in_one_batch(broker):
    made = queue.Queue(lambda change: [], broker)
    made.add([A, B, A])
    assert made.flush(5)
    assert broker.sent == [A, B]


def test_it_keeps_keys_while_redis_is_away_and_sends_them_when_it_is_back(broker):
    broker.away = True
    made = queue.Queue(lambda change: [A], broker)
    made.changed(["x"])
    for _ in range(3):
        assert broker.attempts.acquire(timeout=5)
    made.add([B])
    assert broker.sent == []
    broker.away = False
    assert made.flush(5)
    assert sorted(broker.sent, key=str) == [A, B]


def test_beyond_a_bound_it_only_remembers_that_all_must_be_looked_at(broker, monkeypatch):
    monkeypatch.setattr(queue, "REMEMBERED_KEYS", 2)
    broker.away = True
    made = queue.Queue(lambda change: [], broker)
    made.add([A, B, C])
    assert broker.attempts.acquire(timeout=5)
    broker.away = False
    assert made.flush(5)
    assert broker.sent == [queue.FULL_PASS]


def test_a_change_that_cannot_be_routed_does_not_keep_the_others(broker):
    def route(change):
        if change == "odd":
            raise ValueError(change)
        return [A]

    made = queue.Queue(route, broker)
    made.changed(["odd", "fine"])
    assert made.flush(5)
    assert broker.sent == [A]


def test_delayed_keys_come_in_the_order_of_their_time_and_hold_up_nobody(broker):
    made = queue.Queue(lambda change: [], broker)
    made.later(C, 0.2)
    made.later(B, 0.1)
    made.add([A])
    for _ in range(3):
        assert broker.attempts.acquire(timeout=5)
    assert made.flush(5)
    assert broker.sent == [A, B, C]


def test_large_work_is_sent_in_parts(broker, monkeypatch):
    monkeypatch.setattr(queue, "BATCH", 2)
    made = queue.Queue(lambda change: [], broker)
    made.add([A, B, C])
    assert made.flush(5)
    assert broker.sent == [A, B, C]


def test_what_is_asked_for_while_it_is_sent_is_sent_again(broker):
    asked = threading.Event()

    def send(work):
        if not asked.is_set():
            asked.set()
            made.add([A])
        broker(work)

    made = queue.Queue(lambda change: [], send)
    made.add([A])
    assert made.flush(5)
    assert broker.sent == [A, A]


def test_a_defect_on_the_way_to_redis_does_not_end_the_thread(broker):
    faults = [ValueError("odd")]

    def send(work):
        if faults:
            raise faults.pop()
        broker(work)

    made = queue.Queue(lambda change: [], send)
    made.add([A])
    assert made.flush(5)
    assert broker.sent == [A]
