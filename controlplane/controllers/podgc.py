"""Pods that nobody else will end: bound to a node that does not exist, deleted while bound to none, or finished beyond a
bound.

Reads pods and nodes. Writes: deletions of pods and their end; the phase Failed of those that were lost with their node.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from controlplane.controllers.base import write
from controlplane.controllers.events import Record, record_many
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.node import Node
from controlplane.store.kinds.pod import FINISHED, Pod
from controlplane.store.objects import Delete, Finish, Patch, Write
from schema import kinds
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions

FINISHED_KEPT = 12_500
"""As Kubernetes' terminated-pod-gc-threshold: finished pods beyond it go, the oldest first."""
AT_ONCE = 500
COMPONENT = "pod-garbage-collector"


def lost(pod: Wire, reason: str) -> Wire | None:
    """The pod as failed, because its node is gone; None where it was over already."""
    status = pod.get("status") or {}
    if status.get("phase") in FINISHED:
        return None
    return {**pod, "status": {**status, "phase": "Failed", "reason": "NodeLost", "message": reason}}


def end(pod: Wire, *, lost_because: str = "") -> list[Write]:
    """The writes that end a pod at once. Finalizers still hold it."""
    metadata = pod["metadata"]
    key = (kinds.POD, metadata["namespace"], metadata["name"])
    now = DeleteOptions(grace_period_seconds=0, preconditions=Preconditions(uid=metadata["uid"]))
    failed = Patch(*key, partial(lost, reason=lost_because), subresource="status", uid=metadata["uid"])
    return [*([failed] if lost_because else []), Delete(*key, now), Finish(*key, metadata["uid"])]


def collect() -> int:
    """One pass, at most `AT_ONCE` of each sort; returns how many pods went."""
    pods = Pod.objects.order_by("created_at", "namespace", "name")
    homeless = pods.exclude(node_name="").exclude(node_name__in=Node.objects.values("name"))
    unbound = pods.filter(node_name="").exclude(deleted_at="")
    finished = pods.filter(phase__in=FINISHED, deleted_at="")
    surplus = max(0, finished.count() - FINISHED_KEPT)
    return (
        _end(_read(homeless.values_list("namespace", "name")[:AT_ONCE]), "")
        + _end(_read(unbound.values_list("namespace", "name")[:AT_ONCE]), "it was deleted before it had a node")
        + _end(
            _read(finished.values_list("namespace", "name")[: min(surplus, AT_ONCE)]),
            f"more than {FINISHED_KEPT} finished pods are kept",
        )
    )


def _read(keys: Iterable[tuple[str, str]]) -> list[Wire]:
    found = []
    for namespace, name in keys:
        try:
            found.append(objects.get(kinds.POD, namespace, name))
        except NotFound:
            continue
    return found


def _end(pods: list[Wire], why: str) -> int:
    writes: list[Write] = []
    told = []
    for pod in pods:
        node = pod["spec"].get("nodeName") or ""
        reason = why or f"its node {node} does not exist any more"
        writes += end(pod, lost_because="" if why else reason)
        told.append(Record(pod, "Normal", "PodCollected", f"Deleted: {reason}", COMPONENT))
    write(writes)
    record_many(told)
    return len(pods)
