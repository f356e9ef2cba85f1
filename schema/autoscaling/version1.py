"""HorizontalPodAutoscaler as autoscaling/v1 has it: by cpu only. Stored is v2; what v1 has no field for is in annotations, as
in Kubernetes, so that who changes an object through v1 loses nothing of it."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from schema.autoscaling.horizontalpodautoscaler import HorizontalPodAutoscaler as Stored
from schema.base import ApiModel, Wire
from schema.kind import Unconvertible
from schema.meta import Int32, Int64, Object, Positive32, Time

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _BEHAVIOR = f"{_PREFIX}metrics", f"{_PREFIX}behavior"
_CONDITIONS, _CURRENT = f"{_PREFIX}conditions", f"{_PREFIX}current-metrics"
_OURS = (_METRICS, _BEHAVIOR, _CONDITIONS, _CURRENT)
_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


class CrossVersionObjectReference(ApiModel):
    """What is scaled."""

    kind: str
    """Its kind, such as Deployment; any with a scale."""
    name: str
    """Its name."""
    api_version: str = ""
    """Its API version, such as apps/v1."""


class HorizontalPodAutoscalerSpec(ApiModel):
    """What to scale, between which bounds."""

    scale_target_ref: CrossVersionObjectReference
    """What is scaled."""
    min_replicas: Positive32 | None = None
    """At least so many; 1 by default."""
    max_replicas: Positive32
    """At most so many."""
    target_cpu_utilization_percentage: Positive32 | None = Field(None, alias="targetCPUUtilizationPercentage")
    """The percentage of its requested cpu that a replica should use on average; 80 by default."""


class HorizontalPodAutoscalerStatus(ApiModel):
    """What is observed of the target, and what was done."""

    observed_generation: Int64 = 0
    """The metadata.generation that the status is about."""
    last_scale_time: Time | None = None
    """When it last changed the number of replicas."""
    current_replicas: Int32 = 0
    """How many replicas there are."""
    desired_replicas: Int32 = 0
    """How many it asked for."""
    current_cpu_utilization_percentage: Int32 | None = Field(None, alias="currentCPUUtilizationPercentage")
    """The percentage of its requested cpu that a replica uses on average. Worked out from the metrics of v2; what is written
    here is not kept."""


class HorizontalPodAutoscaler(Object):
    """As many replicas of something as the load needs, by cpu. Version v2 knows more."""

    api_version: str = "autoscaling/v1"
    kind: str = "HorizontalPodAutoscaler"
    spec: HorizontalPodAutoscalerSpec
    """What to scale, between which bounds."""
    status: HorizontalPodAutoscalerStatus = Field(default_factory=HorizontalPodAutoscalerStatus)
    """What is observed and was done."""


def from_stored(wire: Wire) -> Wire:
    """A v2 object as v1."""
    spec, status = wire.get("spec") or {}, wire.get("status") or {}
    metrics = list(spec.get("metrics") or ())
    cpu = next((one for one in metrics if _target(one, "target") is not None), None)
    shown_spec = {key: spec[key] for key in _SPEC if key in spec}
    if cpu is not None:
        shown_spec["targetCPUUtilizationPercentage"] = _target(cpu, "target")
        metrics.remove(cpu)
    shown_status = {key: status[key] for key in _STATUS if key in status}
    current = next((one for one in map(_current, status.get("currentMetrics") or ()) if one is not None), None)
    if current is not None:
        shown_status["currentCPUUtilizationPercentage"] = current
    hidden = {
        _METRICS: metrics,
        _BEHAVIOR: spec.get("behavior"),
        _CONDITIONS: status.get("conditions"),
        _CURRENT: status.get("currentMetrics"),
    }
    annotations = dict(wire["metadata"].get("annotations") or {})
    annotations |= {key: json.dumps(value, separators=(",", ":")) for key, value in hidden.items() if value}
    return {
        **wire,
        "apiVersion": "autoscaling/v1",
        "metadata": {**wire["metadata"], **({"annotations": annotations} if annotations else {})},
        "spec": shown_spec,
        **({"status": shown_status} if "status" in wire else {}),
    }


def to_stored(wire: Wire) -> Wire:
    """A v1 object, sound in its structure, as v2. Raises `Unconvertible`."""
    metadata, spec, status = wire.get("metadata") or {}, wire.get("spec") or {}, wire.get("status") or {}
    annotations = metadata.get("annotations") or {}
    metrics = _hidden(annotations, _METRICS, list) or []
    behavior = _hidden(annotations, _BEHAVIOR, dict)
    percentage = spec.get("targetCPUUtilizationPercentage")
    if percentage is not None:
        target = {"type": "Utilization", "averageUtilization": percentage}
        metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}, *metrics]
    kept = {key: value for key, value in annotations.items() if key not in _OURS}
    return {
        **wire,
        "apiVersion": Stored.model_fields["api_version"].default,
        "metadata": {
            **{key: value for key, value in metadata.items() if key != "annotations"},
            **({"annotations": kept} if kept else {}),
        },
        "spec": {
            **{key: spec[key] for key in _SPEC if key in spec},
            **({"metrics": metrics} if metrics else {}),
            **({"behavior": behavior} if behavior else {}),
        },
        **({"status": {key: status[key] for key in _STATUS if key in status}} if "status" in wire else {}),
    }


def _target(metric: Wire, part: str) -> Any:
    """The percentage of cpu of all containers; None where it is another metric."""
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    return (resource.get(part) or {}).get("averageUtilization")


def _current(metric: Wire) -> Any:
    return _target(metric, "current")


def _hidden(annotations: Wire, name: str, type_: type) -> Any:
    if name not in annotations:
        return None
    try:
        found = json.loads(annotations[name])
    except ValueError as error:
        raise Unconvertible(f"metadata.annotations[{name}]", f"is not JSON: {error}") from error
    if not isinstance(found, type_):
        what = "a list" if type_ is list else "an object"
        raise Unconvertible(f"metadata.annotations[{name}]", f"must be {what} of autoscaling/v2, as JSON")
    return found
