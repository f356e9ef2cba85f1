"""The scheduler's task: all pending pods at once, placed in memory, bound in one transaction.

Woken by whatever may make a pod fit (`wakeups`); one runs at a time in the whole cluster, and a wake-up during a run makes it
run again. A run that finds nothing pending costs one query. What a pod is told is written only when it changes: the condition
``PodScheduled=False`` and a FailedScheduling event for each new explanation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from controlplane.celery import app
from controlplane.controllers import registry
from controlplane.controllers.base import DONE, Verdict
from controlplane.controllers.events import Record, record_many
from controlplane.controllers.plan import Condition, find, merge
from controlplane.controllers.tasks import perform
from controlplane.scheduler import candidates, company_reading, demand, nodes, placement, storage, usage
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.known import KnownNodes
from controlplane.scheduler.nodes import NodeTable, Usage
from controlplane.scheduler.placement import Placement
from controlplane.store import objects
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.objects import Bind, Delete, Patch, Write
from schema import kinds, meta
from schema.base import Wire
from schema.meta import DeleteOptions, Preconditions

log = logging.getLogger(__name__)

COMPONENT = "slipway-scheduler"
SCHEDULER_NAMES = ("", "default-scheduler", COMPONENT)
"""Pods of other schedulers are left to them."""
GATED = Condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
DISRUPTED = Condition(
    "DisruptionTarget",
    "True",
    "PreemptionByScheduler",
    f"{COMPONENT}: preempting to accommodate a higher priority pod",
)

_nodes = KnownNodes()


@app.task(name=registry.DRAIN.task)
def drain() -> None:
    perform(registry.DRAIN, run)


def run() -> Verdict:
    """Place every pending pod, or say why it has no place."""
    pending = [pod for pod in objects.pending_pods() if (pod["spec"].get("schedulerName") or "") in SCHEDULER_NAMES]
    gated = [pod for pod in pending if pod["spec"].get("schedulingGates")]
    ready = [pod for pod in pending if not pod["spec"].get("schedulingGates")]
    tell([(pod, GATED) for pod in gated])
    if ready:
        _place(ready)
    return DONE


def _place(pods: Sequence[Wire]) -> None:
    wanted, claims = storage.attach(pods, [demand.parse(pod) for pod in pods])
    nodes_now = table(wanted)
    wanted = company_reading.attach(wanted, nodes_now)
    placements = placement.place(wanted, nodes_now, lambda: candidates.read(wanted))
    by_uid = {pod["metadata"]["uid"]: pod for pod in pods}
    placed = [one for one in placements if one.node is not None]
    _bind(storage.give(placed, nodes_now.claims, claims), by_uid)
    waiting = [one for one in placements if one.node is None]
    promised = {one.pod.uid: one.nominated for one in waiting}
    news = tell([(by_uid[one.pod.uid], _unschedulable(one)) for one in waiting], promised)
    record_many(Record(pod, "Warning", "FailedScheduling", condition.message, COMPONENT) for pod, condition in news)
    for one in waiting:
        _preempt(one)


def _preempt(one: Placement) -> None:
    """End the victims. The pod was told before: whoever is killed in between finds its promise in the next pass."""
    if not one.victims:
        return
    writes: list[Write] = []
    told = []
    for victim in one.victims:
        key = (kinds.POD, victim.namespace, victim.name)
        writes.append(Patch(*key, partial(_disrupted, now=meta.now()), "status", victim.uid))
        writes.append(Delete(*key, DeleteOptions(preconditions=Preconditions(uid=victim.uid))))
        regarding = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": victim.namespace, "name": victim.name, "uid": victim.uid},
        }
        message = f"Preempted by pod {one.pod.namespace}/{one.pod.name} on node {one.nominated}"
        told.append(Record(regarding, "Normal", "Preempted", message, COMPONENT))
    for write, result in zip(writes, objects.write_many(writes), strict=True):
        if isinstance(result, StoreError) and not isinstance(result, NotFound):
            log.info("a victim was not ended: %s: %s", write, result)
    record_many(told)


def _disrupted(pod: Wire, *, now: datetime) -> Wire:
    status = pod.get("status") or {}
    generation = pod["metadata"].get("generation")
    return {
        **pod,
        "status": {**status, "conditions": merge(status.get("conditions") or (), [DISRUPTED], now, generation)},
    }


def _unschedulable(one: Placement) -> Condition:
    return Condition("PodScheduled", "False", "Unschedulable", one.reason)


def table(wanted: Sequence[Demand]) -> NodeTable:
    found = _nodes.read()
    dimensions = nodes.dimensions_of(wanted)
    held = usage.read(wanted, dimensions, spread=len(found) > 1)
    return NodeTable((replace(one, usage=held.get(one.name) or Usage()) for one in found), dimensions)


def _bind(placed: Sequence[Placement], by_uid: dict[str, Wire]) -> None:
    writes = [Bind(one.pod.namespace, one.pod.name, one.node or "", one.pod.uid) for one in placed]
    told = []
    for one, result in zip(placed, objects.write_many(writes), strict=True):
        if isinstance(result, StoreError):
            # Deleted or bound by somebody else meanwhile; if it still needs a place, that change has woken us.
            log.info("pod %s/%s was not bound: %s", one.pod.namespace, one.pod.name, result)
            continue
        message = f"Successfully assigned {one.pod.namespace}/{one.pod.name} to {one.node}"
        told.append(Record(by_uid[one.pod.uid], "Normal", "Scheduled", message, COMPONENT))
    record_many(told)


def tell(
    pods: Iterable[tuple[Wire, Condition]], promised: Mapping[str, str] | None = None
) -> list[tuple[Wire, Condition]]:
    """Say in their status why these pods have no node, and which they are promised (by uid). Returns those to which it is
    news."""
    now = meta.now()
    patches, news = [], []
    for pod, condition in pods:
        metadata = pod["metadata"]
        nominated = (promised or {}).get(metadata["uid"], "")
        change = partial(with_condition, condition=condition, now=now, nominated=nominated)
        if change(pod) is None:
            continue
        patches.append(Patch(kinds.POD, metadata["namespace"], metadata["name"], change, "status", metadata["uid"]))
        if find(pod, condition.type).get("message") != condition.message:
            news.append((pod, condition))
    objects.write_many(patches)
    return news


def with_condition(pod: Wire, condition: Condition, now: datetime, nominated: str = "") -> Wire | None:
    """The pod with this PodScheduled condition and promise; None if it has them already, or a node."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    merged = merge(conditions, [condition], now, pod["metadata"].get("generation"))
    same = merged == conditions and nominated == (status.get("nominatedNodeName") or "")
    if pod["spec"].get("nodeName") or same:
        return None
    kept = {name: value for name, value in status.items() if name != "nominatedNodeName"}
    promise = {"nominatedNodeName": nominated} if nominated else {}
    return {**pod, "status": {**kept, "phase": "Pending", "conditions": merged, **promise}}
