"""Scales what autoscalers point at.

Reads an autoscaler, its target (any kind with a scale), the target's pods and what they use (`controlplane.metrics`). Writes
``spec.replicas`` of the target and the autoscaler's status. It looks every 15 seconds: metrics are not announced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from controlplane.controllers.autoscaling import plan
from controlplane.controllers.autoscaling.plan import Readings, Scale
from controlplane.controllers.autoscaling.usage import Reading, Target
from controlplane.controllers.base import Controller
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.metrics import current as metrics
from controlplane.metrics.current import Sample
from controlplane.metrics.errors import Unavailable
from controlplane.store import definitions, objects
from controlplane.store.errors import NotFound, conflict
from controlplane.store.objects import ChangeRecord, ChangeType, Patch
from schema import kinds
from schema.base import Wire
from schema.custom import scales
from schema.selectors import LabelSelector, SelectorError

COMPONENT = "horizontal-pod-autoscaler"
PERIOD_SECONDS = 15.0


class AutoscalerController(Controller[tuple[Wire | None, Scale, str]]):
    name = "horizontalpodautoscaler"
    kind = kinds.HORIZONTAL_POD_AUTOSCALER

    def keys_for(self, change: ChangeRecord) -> Iterable[tuple[str, str]]:
        if change.kind is self.kind and _is_news(change):
            yield change.namespace, change.name

    def gather(self, obj: Wire) -> tuple[Wire | None, Scale, str]:
        """The target, its scale, and why there is none."""
        namespace, reference = obj["metadata"]["namespace"], obj["spec"]["scaleTargetRef"]
        kind = definitions.by_kind(reference.get("apiVersion") or "", reference["kind"])
        if kind is None or "scale" not in kind.subresources:
            where = f"{reference.get('apiVersion') or 'v1'} {reference['kind']}"
            return None, Scale(0, 0), f"no kind {where} that could be scaled is known"
        try:
            target = objects.get(kind, namespace, reference["name"])
        except NotFound as missing:
            return None, Scale(0, 0), missing.message
        pods = _pods(namespace, scales.selector(kind, target))
        wanted = plan.targets(obj["spec"]["metrics"])
        scale = Scale(scales.replicas(kind, target), scales.observed(kind, target), pods, read(pods, wanted))
        return target, scale, ""

    def plan(self, obj: Wire, children: tuple[Wire | None, Scale, str], now: datetime) -> Plan:
        target, scale, fault = children
        decision = plan.decide(obj, scale, now) if target is not None else plan.without_target(fault)
        told = [Record(obj, *event, COMPONENT) for event in decision.events]
        steps = []
        if target is not None and decision.replicas is not None:
            steps.append(Step("scale", [_rescale(target, scale.wanted, decision.replicas)], told))
        elif told:
            steps.append(Step("tell", events=told))
        return Plan(steps, decision.conditions, decision.status, Wait(PERIOD_SECONDS, "it looks again"))

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        return ()  # its three conditions say it all


def _is_news(change: ChangeRecord) -> bool:
    """Not our own status."""
    observed = (change.object.get("status") or {}).get("observedGeneration")
    return change.type is ChangeType.ADDED or observed != change.object["metadata"].get("generation")


def _pods(namespace: str, selector: str) -> list[Wire]:
    try:
        labels = LabelSelector.parse(selector) if selector else None
    except SelectorError:  # whoever writes a custom object's selector writes what they like
        labels = None
    return objects.list_objects(kinds.POD, namespace=namespace, labels=labels).items if labels else []


def read(pods: Sequence[Wire], targets: Iterable[Target]) -> Readings:
    """What is known; nothing where the metrics cannot be asked."""
    try:
        samples = metrics.of_pods(pods)
    except Unavailable:
        samples = {}
    return {(each.resource, each.container): _of_target(samples, each) for each in targets}


def _of_target(samples: Mapping[str, Sample], target: Target) -> dict[str, Reading]:
    found = {}
    for uid, sample in samples.items():
        if target.container and target.container not in sample.containers:
            continue
        used = sample.containers[target.container] if target.container else sample
        amount = round(used.cpu_cores * 1000) if target.resource == "cpu" else used.memory_bytes
        found[uid] = Reading(amount, sample.at, timedelta(seconds=sample.window_seconds))
    return found


def _rescale(target: Wire, seen: int, replicas: int) -> Patch:
    kind = definitions.by_kind(target["apiVersion"], target["kind"])
    assert kind is not None  # noqa: S101 - it was read as one
    metadata = target["metadata"]
    change = partial(_with_replicas, seen=seen, replicas=replicas, kind=kind)
    return Patch(kind, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])


def _with_replicas(stored: Wire, *, seen: int, replicas: int, kind: kinds.Kind) -> Wire:
    """Somebody else's number is not overwritten: it is looked at first."""
    if scales.replicas(kind, stored) != seen:
        raise conflict(kind, stored["metadata"]["name"])
    return scales.with_replicas(kind, stored, replicas)
