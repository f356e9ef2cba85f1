"""From commits to Celery tasks: a small thread in every process that writes to the store.

The signal's receiver only puts the changes on a list; the thread works out which keys they concern (`registry.work_for`)
and queues them in one round trip. So a request never waits for Redis and never fails with it. While Redis is away the
thread remembers the keys and tries again; beyond `REMEMBERED_KEYS` it remembers only that everything must be looked at.
What is lost with the process is found by the full pass: order and completeness are not needed, because a queued
key says nothing but "look again".

The same thread keeps `later`: keys to queue after a delay. A delay lost with its process is likewise the full pass's.
"""

from __future__ import annotations

import atexit
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from controlplane.controllers import broker
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import BrokerAway

log = logging.getLogger(__name__)

REMEMBERED_KEYS = 10_000
RETRY_SECONDS = 0.5
EXIT_SECONDS = 1.0
BATCH = 500
FULL_PASS = Work("controlplane.controllers.tasks.full_pass")

Router = Callable[[Any], Iterable[Work]]
"""From one ChangeRecord to the keys that it concerns."""


class Queue:
    """The list, the thread and the delays. `route` runs in the thread."""

    def __init__(self, route: Router, send: Callable[[Sequence[Work]], object] = broker.enqueue) -> None:
        self._route = route
        self._send = send
        self._wake = threading.Condition()
        self._changes: list[Any] = []
        self._work: dict[Work, None] = {}
        self._delayed: list[tuple[float, int, Work]] = []
        self._serial = itertools.count()
        self._sending = False
        self._away = False
        self._thread: threading.Thread | None = None

    def changed(self, changes: Sequence[Any]) -> None:
        """These were committed. Returns at once."""
        with self._wake:
            self._changes.extend(changes)
            self._nudge()

    def add(self, work: Iterable[Work]) -> None:
        """Queue these as soon as possible. Returns at once."""
        with self._wake:
            self._work.update(dict.fromkeys(work))
            self._nudge()

    def later(self, work: Work, seconds: float) -> None:
        """Queue this after a delay. Returns at once."""
        with self._wake:
            heapq.heappush(self._delayed, (time.monotonic() + seconds, next(self._serial), work))
            self._nudge()

    def flush(self, seconds: float) -> bool:
        """Wait until all but the delayed is handed over; False where the time was too short."""
        with self._wake:
            return self._wake.wait_for(lambda: not (self._changes or self._work or self._sending), timeout=seconds)

    def _nudge(self) -> None:
        """Under the lock. The thread starts with the first use, so that it lives in the process that uses it."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="work queue", daemon=True)
            self._thread.start()
        self._wake.notify_all()

    def _run(self) -> None:
        while True:
            try:
                changes = self._take()
                work = dict.fromkeys(self._routed(changes))
                with self._wake:
                    self._work.update(work)
                handed_over = self._hand_over()
            except Exception:  # the thread's outer edge: with it every later wake-up would be lost
                log.exception("Keys could not be handed over")
                handed_over = False
            if not handed_over:
                time.sleep(RETRY_SECONDS)

    def _take(self) -> list[Any]:
        with self._wake:
            while not (self._changes or self._work or self._due()):
                self._wake.wait(self._until_due())
            changes, self._changes = self._changes, []
            self._sending = True
            while self._due():
                self._work[heapq.heappop(self._delayed)[2]] = None
            return changes

    def _due(self) -> bool:
        return bool(self._delayed) and self._delayed[0][0] <= time.monotonic()

    def _until_due(self) -> float | None:
        return max(0.0, self._delayed[0][0] - time.monotonic()) if self._delayed else None

    def _routed(self, changes: Iterable[Any]) -> Iterable[Work]:
        for change in changes:
            try:
                yield from self._route(change)
            except Exception:  # the thread's outer edge: one odd object must not keep the others from their controllers
                log.exception("Cannot tell which controllers a change concerns: %r", change)

    def _hand_over(self) -> bool:
        with self._wake:
            if len(self._work) > REMEMBERED_KEYS:
                self._work = {FULL_PASS: None}
            # Taken off before it is sent: who asks for one of them meanwhile wants it to be sent again.
            batch = list(itertools.islice(self._work, BATCH))
            for work in batch:
                del self._work[work]
        unsent = batch
        try:
            self._send(batch)
            unsent = []
        except BrokerAway as error:
            if not self._away:
                log.warning("Redis cannot be reached, %d keys wait for it: %s", len(batch), error)
            self._away = True
            return False
        finally:
            self._done(unsent)
        if self._away:
            log.info("Redis is back")
            self._away = False
        return True

    def _done(self, unsent: Iterable[Work]) -> None:
        with self._wake:
            self._work = {**dict.fromkeys(unsent), **self._work}
            self._sending = False
            self._wake.notify_all()


_queue: Queue | None = None
_lock = threading.Lock()


def default() -> Queue:
    """The process's queue."""
    global _queue
    with _lock:
        if _queue is None:
            from controlplane.controllers.registry import work_for

            _queue = Queue(work_for)
            atexit.register(_queue.flush, EXIT_SECONDS)
        return _queue


def on_committed(changes: Sequence[Any], **_: Any) -> None:
    """Receiver of `store.signals.committed`."""
    default().changed(changes)
