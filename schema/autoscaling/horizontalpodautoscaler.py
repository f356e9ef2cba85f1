"""HorizontalPodAutoscaler: as many replicas as the load needs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.meta import Int32, Int64, Natural32, Object, Positive32, Time
from schema.quantity import Quantity


class CrossVersionObjectReference(ApiModel):
    """What is scaled."""

    kind: str
    """Its kind, such as Deployment; any with a scale."""
    name: str
    """Its name."""
    api_version: str = ""
    """Its API version, such as apps/v1."""


class MetricTarget(ApiModel):
    """How much each replica should use."""

    type: Annotated[str, OneOf("Utilization", "AverageValue", "Value")]
    """Utilization (percent of the request) or AverageValue (an amount)."""
    value: Quantity | None = None
    """Not for resources."""
    average_value: Quantity | None = None
    """The amount a replica should use on average."""
    average_utilization: Positive32 | None = None
    """The percentage of its request that a replica should use on average."""


class ResourceMetricSource(ApiModel):
    """What the pods use of a resource, all containers together."""

    name: str
    """cpu or memory."""
    target: MetricTarget
    """How much each should use."""


class ContainerResourceMetricSource(ApiModel):
    """What one container of each pod uses of a resource."""

    name: str
    """cpu or memory."""
    target: MetricTarget
    """How much each should use."""
    container: str = ""
    """Name of the container."""


class MetricSpec(ApiModel):
    """One thing to scale by."""

    type: Annotated[str, OneOf("Resource", "ContainerResource")]
    """Resource or ContainerResource."""
    resource: ResourceMetricSource | None = None
    """For type Resource."""
    container_resource: ContainerResourceMetricSource | None = None
    """For type ContainerResource."""


class HPAScalingPolicy(ApiModel):
    """How fast it may go."""

    type: Annotated[str, OneOf("Pods", "Percent")]
    """Pods: so many replicas. Percent: so many percent of what there was at the beginning of the period."""
    value: Positive32
    """How many."""
    period_seconds: Positive32
    """Within so many seconds; at most 1800."""


class HPAScalingRules(ApiModel):
    """How to go in one direction."""

    stabilization_window_seconds: Natural32 | None = None
    """The most cautious recommendation of the last so many seconds is followed. Up 0, down 300 by default; at most 3600."""
    select_policy: Annotated[str | None, OneOf("Max", "Min", "Disabled")] = None
    """Which policy counts: the one that allows most (Max, default) or least change (Min); Disabled: no change at all."""
    policies: list[HPAScalingPolicy] = []
    """How fast it may go. Up 4 pods or 100 % in 15 s, down 100 % in 15 s by default."""
    tolerance: Quantity | None = None
    """How far off the target is still on it: 0.1 by default."""


class HorizontalPodAutoscalerBehavior(ApiModel):
    """How fast to go up and down."""

    scale_up: HPAScalingRules | None = None
    """Up."""
    scale_down: HPAScalingRules | None = None
    """Down."""


class HorizontalPodAutoscalerSpec(ApiModel):
    """What to scale, by what, between which bounds."""

    scale_target_ref: CrossVersionObjectReference
    """What is scaled."""
    min_replicas: Positive32 | None = None
    """At least so many; 1 by default."""
    max_replicas: Positive32
    """At most so many."""
    metrics: list[MetricSpec] = []
    """What to scale by: the one that asks for most decides. cpu at 80 % of the request by default."""
    behavior: HorizontalPodAutoscalerBehavior | None = None
    """How fast to go."""


class MetricValueStatus(ApiModel):
    """What is used now."""

    value: Quantity | None = None
    """Not for resources."""
    average_value: Quantity | None = None
    """On average by each replica."""
    average_utilization: Int32 | None = None
    """The same in percent of the request."""


class ResourceMetricStatus(ApiModel):
    """What the pods use of a resource."""

    name: str
    """cpu or memory."""
    current: MetricValueStatus
    """How much."""


class ContainerResourceMetricStatus(ApiModel):
    """What one container of each pod uses of a resource."""

    name: str
    """cpu or memory."""
    current: MetricValueStatus
    """How much."""
    container: str = ""
    """Name of the container."""


class MetricStatus(ApiModel):
    """One thing it scales by, as it is now."""

    type: str
    """Resource or ContainerResource."""
    resource: ResourceMetricStatus | None = None
    """For type Resource."""
    container_resource: ContainerResourceMetricStatus | None = None
    """For type ContainerResource."""


class HorizontalPodAutoscalerCondition(ApiModel):
    """One aspect of the autoscaler's state."""

    type: str
    """AbleToScale, ScalingActive or ScalingLimited."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""
    observed_generation: Int64 = 0
    """The metadata.generation that the condition was worked out for."""


class Recommendation(ApiModel):
    """What the metrics asked for at one time, or a change that was made then. Of Slipway: Kubernetes forgets them when its
    controller restarts."""

    at: Time
    """When."""
    replicas: Int32
    """How many replicas, or by how many they changed."""


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
    current_metrics: list[MetricStatus] = []
    """What is used now."""
    conditions: Annotated[list[HorizontalPodAutoscalerCondition], ListKey("type")] = []
    """Whether it can scale, does, and is held back."""
    recommendations: list[Recommendation] = []
    """Of the stabilization windows: those that still matter."""
    changes: list[Recommendation] = []
    """Of the policies' periods: what it added and took away."""


class HorizontalPodAutoscaler(Object):
    """As many replicas of something as the load needs."""

    api_version: str = "autoscaling/v2"
    kind: str = "HorizontalPodAutoscaler"
    spec: HorizontalPodAutoscalerSpec
    """What to scale, by what, between which bounds."""
    status: HorizontalPodAutoscalerStatus = Field(default_factory=HorizontalPodAutoscalerStatus)
    """What is observed and was done."""
