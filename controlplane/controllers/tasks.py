"""The Celery tasks of the controllers. Each takes a key and exits quietly if the object is gone."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from controlplane.celery import app
from controlplane.controllers import broker, nodeliveness, podgc, queue, registry
from controlplane.controllers.base import Verdict
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import BrokerAway
from controlplane.store import compaction, objects
from controlplane.store.objects import Delete
from schema import kinds, meta

log = logging.getLogger(__name__)

EVENT_LIFE = timedelta(hours=1)
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 300.0


def back_off(failures: int) -> float:
    """Seconds until a failed key is tried again: doubling, with some spread so that many do not come back at once."""
    doubled: float = FIRST_DELAY_SECONDS * 2.0 ** min(failures, 20)
    return min(doubled, LONGEST_DELAY_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311


@contextmanager
def held(work: Work) -> Iterator[bool]:
    """Hold the key; False where somebody else does, who will then look again. Without Redis nobody can: go on, the
    store's compare-and-swap keeps it right."""
    try:
        token = broker.begin(work)
    except BrokerAway:
        yield True
        return
    try:
        yield token is not None
    finally:
        if token is not None:
            _finish(work, token)


def _finish(work: Work, token: str) -> None:
    try:
        broker.finish(work, token)
    except BrokerAway as error:
        log.warning("%s keeps its key until it expires: %s", work.task, error)


def perform(work: Work, action: Callable[[], Verdict]) -> None:
    """Run one pass over one key and do with it what its verdict says."""
    with held(work) as mine:
        if not mine:
            return
        try:
            verdict = action()
        except Exception:  # the loop's outer edge: one bad object is delayed, the others go on
            delay = back_off(_failures(work))
            log.exception("%s %s failed; again in %.1f s", work.task, "/".join(work.arguments), delay)
            queue.default().later(work, delay)
            return
    if verdict.again_after is not None:
        log.debug("%s %s waits: %s", work.task, "/".join(work.arguments), verdict.reason)
        queue.default().later(work, verdict.again_after)


def _failures(work: Work) -> int:
    try:
        return broker.failures(work)
    except BrokerAway:
        return 3


@app.task(name=registry.RECONCILE)
def reconcile(controller: str, namespace: str, name: str) -> None:
    work = Work(registry.RECONCILE, (controller, namespace, name))
    perform(work, lambda: registry.CONTROLLERS[controller].reconcile(namespace, name))


@app.task(name=registry.COLLECT)
def collect(what: str, first: str, second: str) -> None:
    perform(Work(registry.COLLECT, (what, first, second)), lambda: registry.GARBAGE.look(what, first, second))


@app.task(name="controlplane.controllers.tasks.full_pass")
def full_pass() -> None:
    """Look at everything: what any lost message would have said is found here."""
    work = [registry.DRAIN]
    for name, controller in registry.CONTROLLERS.items():
        work += [Work(registry.RECONCILE, (name, *key)) for key in controller.all_keys()]
    queue.default().add(work)
    registry.GARBAGE.full_pass()
    podgc.collect()


@app.task(name="controlplane.controllers.tasks.housekeeping")
def housekeeping() -> None:
    compaction.compact()
    expire_events()


def expire_events() -> int:
    """Events are news: after an hour they go."""
    oldest = meta.format_time(meta.now() - EVENT_LIFE)
    old = [
        Delete(kinds.EVENT, event["metadata"]["namespace"], event["metadata"]["name"])
        for event in objects.list_objects(kinds.EVENT).items
        if (event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]) < oldest
    ]
    objects.write_many(old)
    return len(old)


@app.task(name="controlplane.controllers.tasks.node_liveness")
def node_liveness() -> None:
    nodeliveness.check()
