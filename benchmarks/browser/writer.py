"""Pods in bulk, written to the store of a running instance from a process of its own.

    python -m benchmarks.browser.writer fill COUNT          pods of a node that exists in the store only
    python -m benchmarks.browser.writer change COUNT RATE   changes the status of RATE of them a second, until killed
    python -m benchmarks.browser.writer churn COUNT RATE    RATE writes a second make, change and delete pods, until killed

With the environment of the instance. Its controllers are not told: what they do about it is not the page's work.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import django

NAMESPACE = "default"
NODE = "anchorage"
"""No agent serves it, so nothing starts. Without a lease nobody misses its agent."""
AT_ONCE = 500
BEATS = 10
"""So many times a second something is written."""


def main() -> None:
    django.setup()
    from controlplane.store.signals import committed

    committed.disconnect(dispatch_uid="controllers.queue")
    what, count, *rest = sys.argv[1:]
    _ensure_node()
    if what == "fill":
        fill(int(count))
        return
    rate = int(rest[0])
    uids: dict[str, str] = {}
    writes = changes(int(count)) if what == "change" else churn(int(count), uids)
    _keep_writing(writes, rate, uids)


def names(count: int) -> list[str]:
    return [f"web-{number:05}" for number in range(count)]


def fill(count: int) -> None:
    from controlplane.store import objects
    from controlplane.store.errors import StoreError
    from schema.kinds import POD

    wanted = [objects.Create(POD, _pod(name)) for name in names(count)]
    for start in range(0, len(wanted), AT_ONCE):
        for outcome in objects.write_many(wanted[start : start + AT_ONCE]):
            if isinstance(outcome, StoreError):
                raise outcome


def _ensure_node() -> None:
    """Pods of a node that does not exist would be taken for lost, and deleted."""
    from controlplane.store import objects
    from controlplane.store.errors import AlreadyExists
    from schema.kinds import NODE as KIND

    with contextlib.suppress(AlreadyExists):
        objects.create(KIND, _node())


def _node() -> dict[str, Any]:
    capacity = {"cpu": "4000", "memory": "8000Gi", "pods": "10000"}
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-31T08:15:00Z"}
    status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": {}, "status": status}


def _pod(name: str) -> dict[str, Any]:
    from benchmarks import store

    made = store.pod(name)
    made["spec"]["nodeName"] = NODE
    return made


def changes(count: int) -> Iterator[Any]:
    """Statuses of pods all over the list: most run, some are not ready, some crash."""
    from benchmarks import store
    from controlplane.store import objects
    from schema.kinds import POD

    chance = random.Random(7)
    known = names(count)
    while True:
        status = store.status(f"10.244.{chance.randrange(200)}.{chance.randrange(250)}")
        first = status["containerStatuses"][0]
        first["restartCount"] = chance.randrange(9)
        if chance.random() < 0.2:
            first["ready"] = False
        if chance.random() < 0.1:
            first["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting main"}}
        yield objects.Status(POD, NAMESPACE, chance.choice(known), status)


def churn(count: int, uids: dict[str, str]) -> Iterator[Any]:
    """About ``count`` pods that come, change once and go, and an event of each; their names never come again. ``uids`` has
    those of what was written."""
    from benchmarks import store
    from controlplane.store import objects
    from schema.kinds import EVENT, POD
    from schema.meta import DeleteOptions

    now = DeleteOptions(grace_period_seconds=0)
    living: list[str] = []
    for number in itertools.count():
        name = f"churn-{os.getpid()}-{number:08}"
        living.append(name)
        yield objects.Create(POD, _pod(name))
        yield objects.Status(POD, NAMESPACE, name, store.status("10.244.9.9"))
        yield objects.Create(EVENT, _event(name))
        if len(living) > count:
            oldest = living.pop(0)
            yield objects.Delete(POD, NAMESPACE, oldest, now)
            yield objects.Finish(POD, NAMESPACE, oldest, uids.pop(oldest))
            yield objects.Delete(EVENT, NAMESPACE, oldest, now)


def _event(pod: str) -> dict[str, Any]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": pod, "namespace": NAMESPACE},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": NAMESPACE, "name": pod},
        "reason": "Evicted",
        "message": f"pod {pod} was moved",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": at,
        "lastTimestamp": at,
    }


def _keep_writing(writes: Iterator[Any], rate: int, uids: dict[str, str]) -> None:
    from controlplane.store import objects
    from controlplane.store.errors import StoreError

    due = time.monotonic()
    while True:
        for outcome in objects.write_many(list(itertools.islice(writes, max(1, rate // BEATS)))):
            if isinstance(outcome, StoreError):
                raise outcome
            metadata = outcome.get("metadata") or {}  # nothing is left of what is gone
            if outcome.get("kind") == "Pod" and "deletionTimestamp" not in metadata:
                uids[metadata["name"]] = metadata["uid"]
        due += max(1, rate // BEATS) / rate
        time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    main()
