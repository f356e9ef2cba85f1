"""Pods leave nodes whose NoExecute taints they do not tolerate, or no longer: at once, or when tolerationSeconds are over.

The time runs from the taint's timeAdded, or from when the pod was placed where that was later. Deleting makes room for a
replacement at once where a controller needs no more than a number of pods; the pod itself stays, Terminating, until its
agent says that its containers have ended. So no StatefulSet has two pods of one ordinal. Who knows better says so with
the taint ``node.kubernetes.io/out-of-service``: then the pods of a node that is not ready are ended without its word.

Reads nodes and the pods on them. Writes: deletions of pods, and their condition DisruptionTarget before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial

from controlplane.controllers import podgc
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Plan, Step, find
from controlplane.scheduler.taints import Taint, Toleration
from controlplane.store import objects
from controlplane.store.kinds.pod import FINISHED
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Patch, Write
from schema import kinds, meta
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions

OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
COMPONENT = "taint-eviction-controller"


class TaintEvictionController(Controller[Sequence[Wire]]):
    name = "tainteviction"
    kind = kinds.NODE
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.type is ChangeType.DELETED:
            return
        if change.kind is kinds.NODE:
            yield "", change.name
        elif change.kind is kinds.POD:
            node = change.fields.get("spec.nodeName")
            if node and (change.type is ChangeType.ADDED or change.previous_fields.get("spec.nodeName") != node):
                yield "", node

    def all_keys(self) -> Iterable[Key]:
        for node in objects.list_objects(kinds.NODE).items:
            if executing(node):
                yield "", node["metadata"]["name"]

    def gather(self, obj: Wire) -> Sequence[Wire]:
        return objects.pods_on(obj["metadata"]["name"]) if executing(obj) else ()

    def plan(self, obj: Wire, children: Sequence[Wire], now: datetime) -> Plan:
        taints = executing(obj)
        lost = find(obj, "Ready").get("status") != "True" and any(each["key"] == OUT_OF_SERVICE for each in taints)
        due, waiting = [], []
        for pod in children:
            moment = deadline(pod, taints)
            leaving = "deletionTimestamp" in pod["metadata"]
            if (lost and leaving) or (moment is not None and moment <= now and not leaving):
                due.append(pod)
            elif moment is not None and not leaving:
                waiting.append(moment)
        evict = _ended if lost else _deleted
        steps = [Step("evict", *evict(obj, due, meta.format_time(now)))] if due else []
        return Plan(steps, outcome=_wait(waiting, now))


def executing(node: Wire) -> list[Wire]:
    """The node's NoExecute taints."""
    return [each for each in (node.get("spec") or {}).get("taints") or () if each.get("effect") == "NoExecute"]


def deadline(pod: Wire, taints: Sequence[Wire]) -> datetime | None:
    """When the pod must leave; None: never. A pod that is over need not."""
    if (pod.get("status") or {}).get("phase") in FINISHED:
        return None
    placed = _placed(pod)
    times = [_until(pod, taint, placed) for taint in taints]
    return min((time for time in times if time is not None), default=None)


def _until(pod: Wire, taint: Wire, placed: datetime) -> datetime | None:
    """How long the pod tolerates one taint. Of several tolerations that match the shortest counts, as in Kubernetes."""
    began = max(meta.parse_time(taint["timeAdded"]), placed) if taint.get("timeAdded") else placed
    matching = [
        each
        for each in (pod.get("spec") or {}).get("tolerations") or ()
        if Toleration.parse(each).tolerates(Taint.parse(taint))
    ]
    if not matching:
        return began
    limits = [each["tolerationSeconds"] for each in matching if each.get("tolerationSeconds") is not None]
    return began + timedelta(seconds=max(0, min(limits))) if limits else None


def _placed(pod: Wire) -> datetime:
    told = find(pod, "PodScheduled")
    since = told.get("lastTransitionTime") if told.get("status") == "True" else None
    return meta.parse_time(since or pod["metadata"]["creationTimestamp"])


def _wait(times: Sequence[datetime], now: datetime) -> Wait | None:
    if not times:
        return None
    return Wait((min(times) - now).total_seconds(), f"{len(times)} pods tolerate the node's taints for a while")


def _deleted(node: Wire, pods: Sequence[Wire], now: str) -> tuple[list[Write], list[Record]]:
    writes: list[Write] = []
    for pod in pods:
        metadata = pod["metadata"]
        key = (kinds.POD, metadata["namespace"], metadata["name"])
        writes.append(Patch(*key, partial(disrupted, now=now), subresource="status", uid=metadata["uid"]))
        writes.append(Delete(*key, DeleteOptions(preconditions=Preconditions(uid=metadata["uid"]))))
    return writes, [_record(node, pod) for pod in pods]


def _ended(node: Wire, pods: Sequence[Wire], now: str) -> tuple[list[Write], list[Record]]:
    why = f"its node {node['metadata']['name']} is out of service"
    writes = [write for pod in pods for write in podgc.end(pod, lost_because=why)]
    return writes, [_record(node, pod) for pod in pods]


def disrupted(pod: Wire, now: str) -> Wire | None:
    """The pod with the condition that tells its owner that this was not its own failure."""
    if find(pod, "DisruptionTarget"):
        return None
    status = pod.get("status") or {}
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
        "lastTransitionTime": now,
    }
    return {**pod, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}


def _record(node: Wire, pod: Wire) -> Record:
    keys = ", ".join(each["key"] for each in executing(node))
    message = f"Deleted: its node {node['metadata']['name']} has NoExecute taints ({keys}) that it does not tolerate"
    return Record(pod, "Normal", "TaintManagerEviction", message, COMPONENT)
