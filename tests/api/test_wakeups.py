"""No wake-up is lost, however badly Redis answers: nothing here is helped by the full pass."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings

from controlplane.controllers import broker, queue, tasks
from controlplane.controllers.base import DONE, Verdict
from controlplane.controllers.broker import Work
from controlplane.controllers.queue import Queue
from tests.live import redis_server
from tests.worker import until

KEYS = [str(number) for number in range(300)]
WRITES = 4
"""Of each key."""
FAULTS = 0.15
"""How many of the calls get no answer: half of these were carried out."""


class World:
    """A store of numbers, writers that say so, and workers that note what they saw."""

    def __init__(self) -> None:
        self.written: Counter[str] = Counter()
        self.seen: dict[str, int] = {}
        self.over = threading.Event()
        self._lock = threading.Lock()

    def write(self, order: list[str]) -> None:
        for key in order:
            with self._lock:
                self.written[key] += 1
            queue.default().changed([key])
            self.over.wait(0.001)

    def work(self) -> None:
        # Its own connection, which waits for a Redis that is slow: a message that was lost on the way from it is the full
        # pass's to find, which nobody makes here.
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=None) as client:
            while not self.over.is_set():
                message = client.brpop([broker._queue_key()], timeout=0.2)
                if message is not None:
                    self.perform(message)

    def perform(self, message: Any) -> None:
        headers = orjson.loads(message[1])["headers"]
        if headers["task"] != "t":
            return  # what an earlier test had still to say
        key = headers["argsrepr"].strip("(),'")
        tasks.perform(Work("t", (key,)), lambda: self.look(key))

    def look(self, key: str) -> Verdict:
        number = self.written[key]
        self.over.wait(0.002)  # what is written now is not seen
        with self._lock:  # a store compares before it swaps
            self.seen[key] = max(number, self.seen.get(key, 0))
        return DONE


@pytest.fixture
def bad_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Some scripts are not carried out, of others the answer is lost."""
    fate, real = random.Random(7), broker._script

    def script(source: str) -> Callable[..., Any]:
        def call(**options: Any) -> Any:
            number = fate.random()
            if number < FAULTS / 2:
                raise redis.TimeoutError("not sent")
            answer = real(source)(**options)
            if number < FAULTS:
                raise redis.TimeoutError("no answer")
            return answer

        return call

    for name in ("QUEUED_SECONDS", "LEASE_SECONDS"):
        monkeypatch.setattr(broker, name, 1)
    monkeypatch.setattr(broker, "BLOCKED_SECONDS", 1.5)
    monkeypatch.setattr(broker, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(broker, "_keeper", broker._Keeper())
    monkeypatch.setattr(queue, "RETRY_SECONDS", 0.01)
    with redis_server():
        monkeypatch.setattr(
            queue, "_queue", Queue(lambda key: [Work("t", (key,))], lambda batch: broker.enqueue(batch))
        )
        monkeypatch.setattr(broker, "_script", script)
        yield
        monkeypatch.setattr(broker, "_script", real)
        queue.default()._delayed.clear()
        assert queue.default().flush(5)
        broker.client().close()


def test_the_last_write_of_each_key_is_seen(bad_redis: None) -> None:
    world = World()
    orders = [random.Random(seed).sample(KEYS * (WRITES // 2), len(KEYS) * (WRITES // 2)) for seed in (1, 2)]
    threads = [threading.Thread(target=world.write, args=(order,)) for order in orders]
    threads += [threading.Thread(target=world.work) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        for each in threads[:2]:
            each.join()
        until(lambda: world.seen == world.written, what="every write is seen")
    finally:
        world.over.set()
        for each in threads:
            each.join()
