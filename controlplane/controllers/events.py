"""Events: what happened to an object, in a sentence, for `kubectl describe` and the dashboard.

An event's name is made from what it says about whom, so saying the same again finds the same object and counts it up:
no query is needed to aggregate, and two processes that say it at once count twice. What one source says about one object
is bounded (`Budget`), so that a crash loop cannot fill the store. Recording never fails its caller.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, transaction

from controlplane.store import objects
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.objects import Create, Patch
from controlplane.store.turn import turn
from schema import kinds, meta
from schema.base import Wire

log = logging.getLogger(__name__)

CLUSTER_NAMESPACE = "default"
"""Where events about objects without a namespace live, as in Kubernetes."""
MESSAGE_LENGTH = 1024


@dataclass(frozen=True)
class Record:
    """One thing to say. ``regarding`` needs apiVersion, kind and metadata (namespace, name, uid)."""

    regarding: Wire
    severity: str
    """Normal or Warning."""
    reason: str
    message: str
    component: str
    field_path: str = ""
    host: str = ""
    at: datetime | None = None

    @property
    def namespace(self) -> str:
        return str(self.regarding["metadata"].get("namespace") or CLUSTER_NAMESPACE)

    @property
    def name(self) -> str:
        metadata = self.regarding["metadata"]
        said = (
            metadata.get("uid", ""),
            self.severity,
            self.reason,
            self.message,
            self.component,
            self.host,
            self.field_path,
        )
        return f"{metadata['name'][:236]}.{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}"

    @property
    def moment(self) -> str:
        """Finer than Kubernetes' own whole seconds, which every client reads as well: what happened within one second is
        shown by `kubectl describe` in the order in which it happened."""
        return meta.format_micro_time(self.at or meta.now())

    def wire(self) -> Wire:
        moment = self.moment
        metadata = self.regarding["metadata"]
        regarding = {
            "apiVersion": self.regarding.get("apiVersion", "v1"),
            "kind": self.regarding["kind"],
            "name": metadata["name"],
            **{name: metadata[name] for name in ("namespace", "uid", "resourceVersion") if metadata.get(name)},
            **({"fieldPath": self.field_path} if self.field_path else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": self.namespace, "name": self.name},
            "involvedObject": regarding,
            "type": self.severity,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LENGTH],
            "source": {"component": self.component, **({"host": self.host} if self.host else {})},
            "reportingComponent": self.component,
            "reportingInstance": self.host,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }

    def again(self, stored: Wire) -> Wire:
        return {
            **stored,
            "count": int(stored.get("count") or 1) + 1,
            "lastTimestamp": self.moment,
        }


class Budget:
    """How often one object may be spoken of: ``burst`` at once, then one each ``refill_seconds`` (as Kubernetes' spam filter)."""

    def __init__(self, *, burst: int = 25, refill_seconds: float = 60.0, objects_remembered: int = 4096) -> None:
        self._burst = burst
        self._refill_seconds = refill_seconds
        self._remembered = objects_remembered
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, *, now: float | None = None) -> bool:
        now = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._left.pop(key, (float(self._burst), now))
            left = min(float(self._burst), left + (now - since) / self._refill_seconds)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            while len(self._left) > self._remembered:
                self._left.popitem(last=False)
            return allowed


_budget = Budget()


def record(regarding: Wire, *, severity: str, reason: str, message: str, component: str, field_path: str = "") -> None:
    record_many([Record(regarding, severity, reason, message, component, field_path)])


def record_many(records: Iterable[Record]) -> None:
    """In one transaction: what was said before is counted up, what is new is made. An event that cannot be stored is
    dropped."""
    said = [one for one in records if _budget.take(f"{one.component} {one.regarding['metadata'].get('uid')}")]
    if not said:
        return
    try:
        with turn(), transaction.atomic():
            _store(said)
    except (DatabaseError, StoreError) as error:
        log.warning("%d events were not stored: %s", len(said), error)


def _store(said: list[Record]) -> None:
    results = objects.write_many([Patch(kinds.EVENT, one.namespace, one.name, one.again) for one in said])
    new = {one.name: one for one, result in zip(said, results, strict=True) if isinstance(result, NotFound)}
    for result in objects.write_many([Create(kinds.EVENT, one.wire()) for one in new.values()]):
        if isinstance(result, StoreError):
            # Most often the namespace is on its way out, and its events with it.
            log.debug("an event was not stored: %s", result)
