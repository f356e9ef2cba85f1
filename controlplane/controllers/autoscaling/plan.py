"""What an autoscaler decides: from its target, the target's pods and what they use. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controlplane.controllers.autoscaling import pace, usage
from controlplane.controllers.autoscaling.pace import Moment
from controlplane.controllers.autoscaling.usage import NoMetric, Proposal, Reading, Target, Tolerance
from controlplane.controllers.plan import Condition
from schema import meta, quantity
from schema.base import Wire

Readings = Mapping[tuple[str, str], Mapping[str, Reading]]
"""By resource and container (empty: all of the pod), then by uid."""
_LIMITED = {
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}


@dataclass(frozen=True)
class Scale:
    """The target."""

    wanted: int
    """spec.replicas."""
    present: int
    """status.replicas."""
    pods: Sequence[Wire] = ()
    readings: Readings = field(default_factory=dict)


@dataclass
class Decision:
    replicas: int | None = None
    """The number to set; None: leave it."""
    status: Wire = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """Severity, reason, message."""


def targets(metrics: Sequence[Wire]) -> list[Target]:
    return [_target(metric) for metric in metrics]


def _target(metric: Wire) -> Target:
    source = metric["containerResource" if metric["type"] == "ContainerResource" else "resource"]
    wanted, resource = source["target"], source["name"]
    average = wanted.get("averageValue")
    return Target(
        resource,
        source.get("container") or "",
        wanted.get("averageUtilization"),
        None if average is None else _amount(resource, average),
    )


def _amount(resource: str, value: str) -> int:
    return quantity.cpu_millis(value) if resource == "cpu" else quantity.bytes_(value)


def without_target(why: str) -> Decision:
    made = Decision(conditions=[Condition("AbleToScale", "False", "FailedGetScale", why)])
    made.events.append(("Warning", "FailedGetScale", why))
    return made


def decide(autoscaler: Wire, scale: Scale, now: datetime) -> Decision:
    return _Pass(autoscaler, scale, now).decide()


class _Pass:
    def __init__(self, autoscaler: Wire, scale: Scale, now: datetime) -> None:
        self.spec: Wire = autoscaler["spec"]
        self.before: Wire = autoscaler.get("status") or {}
        self.scale, self.now = scale, now
        self.low: int = self.spec.get("minReplicas") or 1
        self.high: int = self.spec["maxReplicas"]
        self.behavior: Wire | None = self.spec.get("behavior")
        self.recommendations = pace.read(self.before.get("recommendations") or ())
        self.changes = pace.recent(pace.read(self.before.get("changes") or ()), now)
        self.out = Decision()
        self.metrics: list[Wire] = []

    def decide(self) -> Decision:
        current = self.scale.wanted
        message = "the HPA controller was able to get the target's current scale"
        self._say("AbleToScale", "True", "SucceededGetScale", message)
        if current == 0:
            why = "scaling is disabled since the replica count of the target is zero"
            self._say("ScalingActive", "False", "ScalingDisabled", why)
            return self._done(0, "")
        if current > self.high:
            return self._done(self.high, "Current number of replicas above Spec.MaxReplicas")
        if current < self.low:
            return self._done(self.low, "Current number of replicas below Spec.MinReplicas")
        found = self._proposed()
        if found is None:
            return self._done(current, "")
        wanted, name = found
        return self._follow(wanted, name)

    def _follow(self, wanted: int, name: str) -> Decision:
        current = self.scale.wanted
        history = (self.recommendations, self.changes)
        paced = pace.pace(wanted, current, (self.low, self.high), self.behavior, history, self.now)
        self.recommendations = pace.remember(self.recommendations, Moment(self.now, wanted))
        if paced.stabilized == "down":
            why = "recent recommendations were higher than current one, applying the highest recent recommendation"
            self._say("AbleToScale", "True", "ScaleDownStabilized", why)
        elif paced.stabilized == "up":
            why = "recent recommendations were lower than current one, applying the lowest recent recommendation"
            self._say("AbleToScale", "True", "ScaleUpStabilized", why)
        else:
            self._say("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
        if paced.limited:
            self._say("ScalingLimited", "True", paced.limited, _LIMITED[paced.limited])
        else:
            self._say(
                "ScalingLimited", "False", "DesiredWithinRange", "the desired count is within the acceptable range"
            )
        reason = f"{name} above target" if paced.replicas > current else "All metrics below target"
        return self._done(paced.replicas, reason)

    # Metrics

    def _proposed(self) -> tuple[int, str] | None:
        """The most that any metric asks for. None where that cannot be known: one that fails could only ask for more."""
        proposals: list[tuple[int, str]] = []
        faults: list[str] = []
        for metric, target in zip(self.spec["metrics"], targets(self.spec["metrics"]), strict=True):
            try:
                found = self._propose(target)
            except NoMetric as fault:
                faults.append(f"failed to get {target.resource} utilization: {fault}")
                continue
            self.metrics.append(_status(metric, target, found))
            proposals.append((found.replicas, _name(target)))
        best = max(proposals, default=None)
        if best is None or (faults and best[0] < self.scale.wanted):
            why = f"the HPA was unable to compute the replica count: {faults[0]}"
            self._say("ScalingActive", "False", "FailedGetResourceMetric", why)
            self.out.events.append(("Warning", "FailedGetResourceMetric", faults[0]))
            return None
        message = f"the HPA was able to successfully calculate a replica count from {best[1]}"
        self._say("ScalingActive", "True", "ValidMetricFound", message)
        return best

    def _propose(self, target: Target) -> Proposal:
        readings = self.scale.readings.get((target.resource, target.container)) or {}
        tolerance = Tolerance(self._tolerance(up=True), self._tolerance(up=False))
        return usage.propose(
            self.scale.pods, readings, target, replicas=self.scale.wanted, now=self.now, tolerance=tolerance
        )

    def _tolerance(self, *, up: bool) -> float:
        given = pace.rules(self.behavior, up=up).get("tolerance")
        return usage.DEFAULT_TOLERANCE if given is None else quantity.cpu_millis(given) / 1000

    # The end

    def _done(self, replicas: int, reason: str) -> Decision:
        current = self.scale.wanted
        scaled: str | None = self.before.get("lastScaleTime")
        if replicas != current:
            self.out.replicas = replicas
            self.out.events.append(("Normal", "SuccessfulRescale", f"New size: {replicas}; reason: {reason}"))
            message = f"the HPA controller was able to update the target scale to {replicas}"
            self._say("AbleToScale", "True", "SucceededRescale", message)
            self.changes = [*self.changes, Moment(self.now, replicas - current)]
            scaled = meta.format_time(self.now)
        status: dict[str, Any] = {
            "currentReplicas": self.scale.present,
            "desiredReplicas": replicas,
            "currentMetrics": self.metrics,
            "lastScaleTime": scaled,
            "recommendations": [each.wire() for each in self.recommendations],
            "changes": [each.wire() for each in self.changes],
        }
        self.out.status = {name: value for name, value in status.items() if value is not None}
        return self.out

    def _say(self, type_: str, status: str, reason: str, message: str) -> None:
        self.out.conditions = [each for each in self.out.conditions if each.type != type_]
        self.out.conditions.append(Condition(type_, status, reason, message))


def _name(target: Target) -> str:
    what = "resource utilization (percentage of request)" if target.utilization is not None else "resource"
    return f"{target.resource} {'container ' if target.container else ''}{what}"


def _status(metric: Wire, target: Target, found: Proposal) -> Wire:
    average = quantity.format_cpu(found.average) if target.resource == "cpu" else quantity.format_bytes(found.average)
    current: Wire = {"averageValue": average}
    if found.utilization is not None:
        current["averageUtilization"] = found.utilization
    value: Wire = {"name": target.resource, "current": current}
    if target.container:
        return {"type": metric["type"], "containerResource": {**value, "container": target.container}}
    return {"type": metric["type"], "resource": value}
