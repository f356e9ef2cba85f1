"""Which controllers there are, and which of them a change concerns."""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.controllers.base import Controller
from controlplane.controllers.broker import Work
from controlplane.controllers.garbage import GarbageCollector
from controlplane.controllers.namespace import NamespaceController
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds

RECONCILE = "controlplane.controllers.tasks.reconcile"
COLLECT = "controlplane.controllers.tasks.collect"
DRAIN = Work("controlplane.scheduler.tasks.drain")

CONTROLLERS: dict[str, Controller] = {each.name: each for each in (NamespaceController(),)}
GARBAGE = GarbageCollector()

_FINISHED = ("Succeeded", "Failed")


def work_for(change: ChangeRecord) -> Iterable[Work]:
    for name, controller in CONTROLLERS.items():
        for namespace, key in controller.keys_for(change):
            yield Work(RECONCILE, (name, namespace, key))
    for what, first, second in GARBAGE.keys_for(change):
        yield Work(COLLECT, (what, first, second))
    if wakes_scheduler(change):
        yield DRAIN


def wakes_scheduler(change: ChangeRecord) -> bool:
    """Something wants a place, or a place may have become free. A session's heartbeats change leases, not nodes."""
    if change.kind is kinds.NODE:
        return change.type is not ChangeType.DELETED
    if change.kind is not kinds.POD:
        return False
    spec, status = change.object.get("spec") or {}, change.object.get("status") or {}
    if change.type is ChangeType.DELETED:
        return bool(spec.get("nodeName"))
    if spec.get("nodeName"):
        return status.get("phase") in _FINISHED
    # Our own "it fits nowhere" wakes us once more: that run finds nothing to say and writes nothing.
    return True
