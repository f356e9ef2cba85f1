"""Pods that nobody will end any more: bound to a node that does not exist, or finished beyond a bound.

Reads pods and nodes. Writes: deletions of pods, their end.
"""

from __future__ import annotations

from controlplane.controllers import events
from controlplane.controllers.events import Record
from controlplane.store import objects
from controlplane.store.objects import Delete, Finish
from schema import kinds
from schema.base import Wire
from schema.meta import DeleteOptions

FINISHED_KEPT = 1000
"""Finished pods that nobody owns and nobody deleted; beyond it the oldest go."""
_FINISHED = ("Succeeded", "Failed")


def orphaned(pods: list[Wire], nodes: set[str]) -> list[Wire]:
    """Pods of nodes that are gone."""
    return [pod for pod in pods if (pod["spec"].get("nodeName") or "") not in nodes | {""}]


def surplus(pods: list[Wire], *, kept: int = FINISHED_KEPT) -> list[Wire]:
    finished = [pod for pod in pods if (pod.get("status") or {}).get("phase") in _FINISHED]
    finished.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]))
    return finished[: max(0, len(finished) - kept)]


def collect() -> int:
    """One pass; returns how many pods went."""
    nodes = {node["metadata"]["name"] for node in objects.list_objects(kinds.NODE).items}
    pods = objects.list_objects(kinds.POD).items
    going = [(pod, f"the node {pod['spec']['nodeName']} does not exist any more") for pod in orphaned(pods, nodes)]
    going += [(pod, f"more than {FINISHED_KEPT} finished pods are kept") for pod in surplus(pods)]
    if not going:
        return 0
    now = DeleteOptions(grace_period_seconds=0)
    keys = [(pod["metadata"]["namespace"], pod["metadata"]["name"], pod["metadata"]["uid"]) for pod, _ in going]
    events.record_many(Record(pod, "Normal", "PodCollected", f"Deleted: {why}", "podgc") for pod, why in going)
    objects.write_many([Delete(kinds.POD, namespace, name, now) for namespace, name, _ in keys])
    objects.write_many([Finish(kinds.POD, namespace, name, uid) for namespace, name, uid in keys])
    return len(going)
