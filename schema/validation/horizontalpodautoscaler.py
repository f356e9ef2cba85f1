"""HorizontalPodAutoscaler: bounds in order, metrics that there are, a pace that can be kept."""

from __future__ import annotations

from collections.abc import Sequence

from schema import quantity
from schema.autoscaling.horizontalpodautoscaler import (
    ContainerResourceMetricSource,
    HorizontalPodAutoscaler,
    HPAScalingRules,
    MetricSpec,
    ResourceMetricSource,
)
from schema.validation.causes import Problems
from schema.validation.names import subdomain_fault

LONGEST_WINDOW = 3600
LONGEST_PERIOD = 1800
RESOURCES = ("cpu", "memory")


def check(autoscaler: HorizontalPodAutoscaler, problems: Problems) -> None:
    spec = autoscaler.spec
    if spec.min_replicas is not None and spec.max_replicas < spec.min_replicas:
        problems.invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to `minReplicas`")
    for name, value in (("kind", spec.scale_target_ref.kind), ("name", spec.scale_target_ref.name)):
        if not value:
            problems.required(f"spec.scaleTargetRef.{name}")
    if spec.scale_target_ref.name and (why := subdomain_fault(spec.scale_target_ref.name)):
        problems.invalid("spec.scaleTargetRef.name", spec.scale_target_ref.name, why)
    for position, metric in enumerate(spec.metrics):
        _check_metric(metric, f"spec.metrics[{position}]", problems)
    if spec.behavior is not None:
        for name, rules in (("scaleUp", spec.behavior.scale_up), ("scaleDown", spec.behavior.scale_down)):
            if rules is not None:
                _check_rules(rules, f"spec.behavior.{name}", problems)


def _check_metric(metric: MetricSpec, path: str, problems: Problems) -> None:
    sources: Sequence[tuple[str, str, ResourceMetricSource | ContainerResourceMetricSource | None]] = (
        ("Resource", "resource", metric.resource),
        ("ContainerResource", "containerResource", metric.container_resource),
    )
    for type_, name, source in sources:
        if type_ == metric.type and source is None:
            problems.required(f"{path}.{name}", "must populate information for the given metric source")
        elif type_ != metric.type and source is not None:
            problems.forbidden(f"{path}.{name}", "must populate the given metric source only")
        if source is not None:
            _check_source(source, f"{path}.{name}", problems)
    if metric.container_resource is not None and not metric.container_resource.container:
        problems.required(f"{path}.containerResource.container", "must specify a container")


def _check_source(source: ResourceMetricSource | ContainerResourceMetricSource, path: str, problems: Problems) -> None:
    if source.name not in RESOURCES:
        problems.not_supported(f"{path}.name", source.name, RESOURCES)
    target = source.target
    here = f"{path}.target"
    if target.type == "Value":
        problems.not_supported(f"{here}.type", target.type, ["Utilization", "AverageValue"])
    given = {
        "averageUtilization": ("Utilization", target.average_utilization),
        "averageValue": ("AverageValue", target.average_value),
        "value": ("Value", target.value),
    }
    for name, (type_, value) in given.items():
        if type_ == target.type and value is None:
            problems.required(f"{here}.{name}", f"must be set when target type is {type_}")
        elif type_ != target.type and value is not None:
            problems.forbidden(f"{here}.{name}", f"may not be set when target type is {target.type}")
    amount = target.average_value
    if amount is not None and quantity.valid(amount) and quantity.sign(amount) <= 0:
        problems.invalid(f"{here}.averageValue", amount, "must be positive")


def _check_rules(rules: HPAScalingRules, path: str, problems: Problems) -> None:
    window = rules.stabilization_window_seconds
    if window is not None and window > LONGEST_WINDOW:
        problems.invalid(
            f"{path}.stabilizationWindowSeconds", window, f"must be less than or equal to {LONGEST_WINDOW}"
        )
    if not rules.policies and rules.select_policy != "Disabled":
        problems.required(f"{path}.policies", "must specify at least one Policy")
    for position, policy in enumerate(rules.policies):
        if policy.period_seconds > LONGEST_PERIOD:
            here = f"{path}.policies[{position}].periodSeconds"
            problems.invalid(here, policy.period_seconds, f"must be less than or equal to {LONGEST_PERIOD}")
    tolerance = rules.tolerance
    if tolerance is not None and quantity.valid(tolerance) and quantity.sign(tolerance) < 0:
        problems.invalid(f"{path}.tolerance", tolerance, "must be greater than or equal to 0")
