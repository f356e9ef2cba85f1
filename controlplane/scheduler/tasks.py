"""The scheduler's task: all pending pods at once, placed in memory, bound in one transaction.

Woken by whatever may make a pod fit (`controllers.registry.wakes_scheduler`); one runs at a time in the whole cluster, and
a wake-up during a run makes it run again. A run that finds nothing pending costs one query.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from controlplane.celery import app
from controlplane.controllers import events, registry
from controlplane.controllers.base import Verdict
from controlplane.controllers.events import Record
from controlplane.store import objects
from controlplane.store.errors import StoreError
from controlplane.store.objects import Bind, Patch
from schema import kinds, meta
from schema.base import Wire

if TYPE_CHECKING:
    from controlplane.scheduler.demand import Demand
    from controlplane.scheduler.nodes import NodeTable, Usage
    from controlplane.scheduler.placement import Placement

log = logging.getLogger(__name__)

COMPONENT = "slipway-scheduler"
_FINISHED = ("Succeeded", "Failed")


@app.task(name=registry.DRAIN.task)
def drain() -> None:
    from controlplane.controllers.tasks import perform

    perform(registry.DRAIN, run)


def run() -> Verdict:
    """Place every pending pod, or say why it has no place."""
    pending = objects.pending_pods()
    gated = [pod for pod in pending if pod["spec"].get("schedulingGates")]
    ready = [pod for pod in pending if not pod["spec"].get("schedulingGates")]
    if gated:
        _say(
            {_key(pod): ("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates") for pod in gated}
        )
    if ready:
        _place(ready)
    return Verdict()


def _place(pods: Sequence[Wire]) -> None:
    from controlplane.scheduler import demand, placement  # numpy comes with the first pod, not with the process

    wanted = [demand.parse(pod) for pod in pods]
    placements = placement.place(wanted, _table(wanted))
    by_key = {_key(pod): pod for pod in pods}
    placed = [one for one in placements if one.node is not None]
    _bind(placed, by_key)
    unplaced = {
        (one.pod.namespace, one.pod.name): ("Unschedulable", one.reason) for one in placements if one.node is None
    }
    news = _say(unplaced)
    events.record_many(Record(by_key[key], "Warning", "FailedScheduling", unplaced[key][1], COMPONENT) for key in news)


def _bind(placed: Sequence[Placement], by_key: dict[tuple[str, str], Wire]) -> None:
    writes = [Bind(one.pod.namespace, one.pod.name, one.node or "", one.pod.uid) for one in placed]
    told = []
    for one, result in zip(placed, objects.write_many(writes), strict=True):
        if isinstance(result, StoreError):
            # Deleted or bound by somebody else meanwhile; if it still needs a place, that change has woken us.
            log.info("pod %s/%s was not bound: %s", one.pod.namespace, one.pod.name, result)
            continue
        message = f"Successfully assigned {one.pod.namespace}/{one.pod.name} to {one.node}"
        told.append(Record(by_key[one.pod.namespace, one.pod.name], "Normal", "Scheduled", message, COMPONENT))
    events.record_many(told)


def _say(reasons: dict[tuple[str, str], tuple[str, str]]) -> list[tuple[str, str]]:
    """Set PodScheduled=False with reason and message; the keys of the pods that had not been told so before."""
    now = meta.format_time(meta.now())
    writes, news = [], []
    for (namespace, name), (reason, message) in reasons.items():
        change = Unscheduled(reason, message, now)
        writes.append(Patch(kinds.POD, namespace, name, change, subresource="status"))
        news.append(((namespace, name), change))
    objects.write_many(writes)
    return [key for key, change in news if change.is_new]


class Unscheduled:
    """The change that says why a pod has no node."""

    def __init__(self, reason: str, message: str, now: str) -> None:
        self._wanted = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
        self._now = now
        self.is_new = False

    def __call__(self, pod: Wire) -> Wire | None:
        status = pod.get("status") or {}
        conditions = status.get("conditions") or []
        held: Wire = next((each for each in conditions if each["type"] == "PodScheduled"), {})
        if pod["spec"].get("nodeName") or all(held.get(key) == value for key, value in self._wanted.items()):
            return None
        self.is_new = True
        since = held.get("lastTransitionTime") if held.get("status") == "False" else None
        condition = {**self._wanted, "lastTransitionTime": since or self._now}
        others = [each for each in conditions if each["type"] != "PodScheduled"]
        return {**pod, "status": {**status, "phase": "Pending", "conditions": [*others, condition]}}


def _table(wanted: Iterable[Demand]) -> NodeTable:
    from controlplane.scheduler import nodes

    wanted = list(wanted)
    wires = objects.list_objects(kinds.NODE).items
    usage = _usage(wanted, several=len(wires) > 1)
    found = [nodes.parse(wire, usage.get(wire["metadata"]["name"])) for wire in wires if _takes_pods(wire)]
    return nodes.NodeTable(found, nodes.dimensions_of(wanted))


def _takes_pods(node: Wire) -> bool:
    return "deletionTimestamp" not in node["metadata"]


def _usage(wanted: Sequence[Demand], *, several: bool) -> dict[str, Usage]:
    """Amounts by SQL's sums; ports and spread groups only when a pending pod needs them, because they mean reading pods."""
    from controlplane.scheduler import demand, nodes

    usage = {
        name: nodes.Usage(
            amounts={
                "pods": held.pods,
                "cpu": held.cpu_millis,
                "memory": held.memory_bytes,
                "ephemeral-storage": held.ephemeral_bytes,
            }
        )
        for name, held in objects.node_usage().items()
    }
    needs_ports = any(pod.ports for pod in wanted)
    spread = {pod.spread for pod in wanted if pod.spread is not None} if several else set()
    if needs_ports or spread:
        for wire in objects.list_objects(kinds.POD).items:
            node = wire["spec"].get("nodeName")
            if node in usage and (wire.get("status") or {}).get("phase") not in _FINISHED:
                usage[node].ports.extend(demand.host_ports(wire["spec"]))
                group = demand.spread_group(wire["metadata"])
                if group in spread:
                    usage[node].groups[group] = usage[node].groups.get(group, 0) + 1
    return usage


def _key(pod: Wire) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
