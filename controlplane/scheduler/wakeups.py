"""Which changes may make a pod fit, or bring one that wants a place. Runs for every change, in the process that made it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

import orjson

from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds
from schema.base import Wire

FINISHED = ("Succeeded", "Failed")


def wakes(change: ChangeRecord) -> bool:
    if change.kind is kinds.POD:
        return _pod_wakes(change)
    if change.kind is kinds.NODE:
        if change.type is ChangeType.DELETED:
            return _nodes.forget(change.uid)
        return _nodes.differs(change.uid, change.object)
    if change.kind is kinds.NAMESPACE:
        return change.previous_labels != change.labels
    if change.kind is kinds.PERSISTENT_VOLUME_CLAIM:
        return change.type is not ChangeType.DELETED  # made, or bound
    if change.kind is kinds.PERSISTENT_VOLUME:
        return change.type is not ChangeType.DELETED and not change.object["spec"].get("claimRef")
    return change.kind is kinds.STORAGE_CLASS and change.type is ChangeType.ADDED


def _pod_wakes(change: ChangeRecord) -> bool:
    fields = change.fields
    bound, finished = bool(fields["spec.nodeName"]), fields["status.phase"] in FINISHED
    if change.type is ChangeType.DELETED:
        return bound
    if bound:
        relabelled = change.previous_labels != change.labels  # it may be the company that another waits for
        return relabelled or (finished and change.previous_fields["status.phase"] not in FINISHED)
    return not finished and not is_answered(change.object)


def is_answered(pod: Wire) -> bool:
    """The pod has been told why it has no place, and its wishes have not changed since: what changed is that answer."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    told: Wire = next((each for each in conditions if each.get("type") == "PodScheduled"), {})
    return bool(told.get("observedGeneration") == pod["metadata"].get("generation"))


class Nodes:
    """What this process knows of the nodes that matters to placement. A node it has not seen before always differs."""

    def __init__(self, remembered: int = 10_000) -> None:
        self._remembered = remembered
        self._digests: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def differs(self, uid: str, node: Wire) -> bool:
        digest = hashlib.blake2b(orjson.dumps(_relevant(node), option=orjson.OPT_SORT_KEYS), digest_size=16).digest()
        with self._lock:
            before = self._digests.pop(uid, None)
            self._digests[uid] = digest
            while len(self._digests) > self._remembered:
                self._digests.popitem(last=False)
        return before != digest

    def forget(self, uid: str) -> bool:
        """A node less makes no pod fit, but the others' explanations name it."""
        with self._lock:
            self._digests.pop(uid, None)
        return True


def _relevant(node: Wire) -> list[object]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    ready = [each.get("status") for each in status.get("conditions") or () if each.get("type") == "Ready"]
    taints = [{**each, "timeAdded": None} for each in spec.get("taints") or ()]
    deleted = "deletionTimestamp" in node["metadata"]
    return [
        node["metadata"].get("labels"),
        taints,
        spec.get("unschedulable"),
        status.get("allocatable"),
        ready,
        deleted,
    ]


_nodes = Nodes()
