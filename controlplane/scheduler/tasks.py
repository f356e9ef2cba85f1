"""The scheduler's task: all pending pods at once, placed in memory, bound in one transaction.

Woken by whatever may make a pod fit (`wakeups`); one runs at a time in the whole cluster, and a wake-up during a run makes it
run again. A run that finds nothing pending costs one query. What a pod is told is written only when it changes: the condition
``PodScheduled=False`` and a FailedScheduling event for each new explanation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from controlplane.celery import app
from controlplane.controllers import registry
from controlplane.controllers.base import DONE, Verdict
from controlplane.controllers.events import Record, record_many
from controlplane.controllers.plan import Condition, find, merge
from controlplane.controllers.tasks import perform
from controlplane.scheduler import demand, nodes, placement, storage, usage
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.known import KnownNodes
from controlplane.scheduler.nodes import NodeTable, Usage
from controlplane.scheduler.placement import Placement
from controlplane.store import objects
from controlplane.store.errors import StoreError
from controlplane.store.objects import Bind, Patch
from schema import kinds, meta
from schema.base import Wire

log = logging.getLogger(__name__)

COMPONENT = "slipway-scheduler"
SCHEDULER_NAMES = ("", "default-scheduler", COMPONENT)
"""Pods of other schedulers are left to them."""
GATED = Condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")

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
    placements = placement.place(wanted, nodes_now)
    by_uid = {pod["metadata"]["uid"]: pod for pod in pods}
    placed = [one for one in placements if one.node is not None]
    _bind(storage.give(placed, nodes_now.claims, claims), by_uid)
    unplaced = [(by_uid[one.pod.uid], _unschedulable(one)) for one in placements if one.node is None]
    news = tell(unplaced)
    record_many(Record(pod, "Warning", "FailedScheduling", condition.message, COMPONENT) for pod, condition in news)


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


def tell(pods: Iterable[tuple[Wire, Condition]]) -> list[tuple[Wire, Condition]]:
    """Say in their status why these pods have no node. Returns those to which it is news."""
    now = meta.now()
    patches, news = [], []
    for pod, condition in pods:
        metadata = pod["metadata"]
        change = partial(with_condition, condition=condition, now=now)
        if change(pod) is None:
            continue
        patches.append(Patch(kinds.POD, metadata["namespace"], metadata["name"], change, "status", metadata["uid"]))
        if find(pod, condition.type).get("message") != condition.message:
            news.append((pod, condition))
    objects.write_many(patches)
    return news


def with_condition(pod: Wire, condition: Condition, now: datetime) -> Wire | None:
    """The pod with this PodScheduled condition; None if it has it already, or a node."""
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    merged = merge(conditions, [condition], now, pod["metadata"].get("generation"))
    if pod["spec"].get("nodeName") or merged == conditions:
        return None
    return {**pod, "status": {**status, "phase": "Pending", "conditions": merged}}
