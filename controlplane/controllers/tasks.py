"""The Celery tasks of the controllers. Each takes a key and exits quietly if the object is gone.

All run under `perform`: one pass over one key at a time in the whole cluster, back-off for what fails, and a look again
where the verdict asks for it. Their names are in `controllers.registry`, because a process that only queues them does
not import them.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import timedelta

from django.contrib.sessions.models import Session

from controlplane.celery import EVERYTHING, app
from controlplane.controllers import broker, node, podgc, queue, registry
from controlplane.controllers.base import DONE, Verdict
from controlplane.controllers.broker import Work
from controlplane.controllers.errors import BrokerAway
from controlplane.registry import collection, redeploying, setting
from controlplane.store import compaction, objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.event import Event
from controlplane.store.objects import Delete
from schema import kinds, meta

log = logging.getLogger(__name__)

EVENT_LIFE = timedelta(hours=1)
FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 60.0
FAILURES_UNCOUNTED = 3
"""What a failure counts as while Redis, which keeps the count, is away."""
HOUSEKEEPING = Work("controlplane.controllers.tasks.housekeeping")
LOOK_OUTSIDE = Work("controlplane.controllers.tasks.look_outside")
BUSY_SECONDS = 300.0
"""After which repositories are tried again that somebody pushed into when their garbage was to be collected."""
NODE_LIVENESS = Work("controlplane.controllers.tasks.node_liveness")

_silent_since: dict[str, str] = {}
"""Nodes already handed to their controller, with the last renewal of their lease: once is enough."""


def back_off(failures: int) -> float:
    """Seconds until a failed key is tried again: doubling, with some spread so that many do not come back at once."""
    doubled: float = FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 20)
    return min(doubled, LONGEST_DELAY_SECONDS) * random.uniform(0.8, 1.2)  # noqa: S311


def perform(work: Work, action: Callable[[], Verdict]) -> None:
    """Run one pass over one key and do with it what its verdict says.

    Where Redis did not answer (it is away, or slow under load), the key may look queued or worked on when it is neither, and
    whoever asks for it in the meantime is not heard: so it is looked at once more when all that has expired.
    """
    token = broker.new_token()
    try:
        sure = True
        if broker.begin(work, token) is None:
            return  # somebody else is at it, and will look again
    except BrokerAway:
        sure = False  # whoever holds the key: the store's compare-and-swap keeps it right
    verdict = _attempt(work, action)
    failures = _finish(work, token, failed=verdict is None)
    if not sure or failures is None:
        queue.default().later(work, broker.BLOCKED_SECONDS)
    if verdict is None:
        queue.default().later(work, back_off(FAILURES_UNCOUNTED if failures is None else failures))
    elif verdict.again_after is not None:
        log.debug("%s %s waits: %s", work.task, "/".join(work.arguments), verdict.reason)
        queue.default().later(work, verdict.again_after)


def _attempt(work: Work, action: Callable[[], Verdict]) -> Verdict | None:
    """The verdict; None where the pass failed."""
    try:
        return action()
    except Exception:  # the outer edge: one bad object is delayed, the others go on
        log.exception("%s %s failed", work.task, "/".join(work.arguments))
        return None


def _finish(work: Work, token: str, *, failed: bool) -> int | None:
    """How often it has failed in a row; None where Redis does not say."""
    try:
        return broker.finish(work, token, failed=failed)
    except BrokerAway as error:
        log.warning("%s keeps its key until it expires: %s", work.task, error)
        return None


@app.task(name=registry.RECONCILE)
def reconcile(controller: str, namespace: str, name: str) -> None:
    work = Work(registry.RECONCILE, (controller, namespace, name))
    perform(work, lambda: registry.CONTROLLERS[controller].reconcile(namespace, name))


@app.task(name=registry.COLLECT)
def collect(what: str, first: str, second: str) -> None:
    perform(Work(registry.COLLECT, (what, first, second)), lambda: registry.GARBAGE.look(what, first, second))


@app.task(name=registry.COLLECT_PODS.task)
def collect_pods() -> None:
    perform(registry.COLLECT_PODS, _collect_pods)


def _collect_pods() -> Verdict:
    return Verdict(again_after=0.0) if podgc.collect() >= podgc.AT_ONCE else DONE


@app.task(name=EVERYTHING.task)
def full_pass() -> None:
    """Look at everything: what any lost message would have said is found here."""
    perform(EVERYTHING, look_at_everything)


def look_at_everything() -> Verdict:
    work = [registry.DRAIN, registry.COLLECT_PODS]
    for name, controller in registry.CONTROLLERS.items():
        work += [Work(registry.RECONCILE, (name, *key)) for key in controller.all_keys()]
    queue.default().add(work)
    registry.GARBAGE.full_pass()
    return DONE


@app.task(name=collection.COLLECT)
def collect_registry(number: str = "") -> None:
    perform(Work(collection.COLLECT, (number,)), lambda: _collect_registry(number))


def _collect_registry(number: str) -> Verdict:
    if not setting.enabled():
        return DONE
    record = collection.run(number)
    if record is None:
        return Verdict(again_after=10.0, reason="another collection goes on")
    if record.busy and not number:
        return Verdict(again_after=BUSY_SECONDS, reason="somebody is pushing")
    return DONE


@app.task(name=LOOK_OUTSIDE.task)
def look_outside() -> None:
    perform(LOOK_OUTSIDE, _look_outside)


def _look_outside() -> Verdict:
    redeploying.look_outside()
    return DONE


@app.task(name=HOUSEKEEPING.task)
def housekeeping() -> None:
    perform(HOUSEKEEPING, tidy)


def tidy() -> Verdict:
    """Forget what is past: changes beyond the history, old events, sessions of the dashboard that have ended."""
    compaction.compact()
    expire_events()
    Session.objects.filter(expire_date__lt=meta.now()).delete()
    return DONE


def expire_events(*, at_once: int = 500) -> int:
    """Events are news: an hour after they were last said they go. Returns how many went."""
    oldest = meta.format_time(meta.now() - EVENT_LIFE)
    keys = Event.objects.filter(created_at__lt=oldest).order_by("created_at").values_list("namespace", "name")
    gone = 0
    for start in range(0, len(keys), at_once):
        some = [Delete(kinds.EVENT, *key) for key in keys[start : start + at_once] if _is_old(*key, oldest=oldest)]
        objects.write_many(some)
        gone += len(some)
    return gone


def _is_old(namespace: str, name: str, *, oldest: str) -> bool:
    try:
        event = objects.get(kinds.EVENT, namespace, name)
    except NotFound:
        return False
    return str(event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]) < oldest


@app.task(name=NODE_LIVENESS.task)
def node_liveness() -> None:
    perform(NODE_LIVENESS, look_for_silent_nodes)


def look_for_silent_nodes() -> Verdict:
    silent = dict(node.expired_nodes())
    new = [name for name, renewed in silent.items() if _silent_since.get(name) != renewed]
    queue.default().add(Work(registry.RECONCILE, (node.NodeController.name, "", name)) for name in new)
    _silent_since.clear()
    _silent_since.update(silent)
    return DONE
