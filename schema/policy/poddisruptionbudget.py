"""PodDisruptionBudget: how many pods of a group may be missing because somebody wants them to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.meta import Condition, Int32, Int64, IntOrString, LabelSelector, Object, Time


class PodDisruptionBudgetSpec(ApiModel):
    """Which pods, and how many of them must stay."""

    min_available: IntOrString | None = None
    """As many must be healthy after an eviction: a number, or a percentage of all that there should be."""
    selector: LabelSelector | None = None
    """The pods. An empty selector is all of the namespace, an absent one is none."""
    max_unavailable: IntOrString | None = None
    """As many may be missing after an eviction: a number, or a percentage of all that there should be."""
    unhealthy_pod_eviction_policy: Annotated[str | None, OneOf("IfHealthyBudget", "AlwaysAllow")] = None
    """Whether pods that run but are not ready may be evicted: IfHealthyBudget (default) only while the others suffice,
    AlwaysAllow in any case."""


class PodDisruptionBudgetStatus(ApiModel):
    """What is observed of the pods."""

    observed_generation: Int64 = 0
    """The metadata.generation that the status is about. No pod is evicted before the newest has been looked at."""
    disrupted_pods: dict[str, Time] = {}
    """Always empty: an evicted pod is marked as deleted in the same transaction."""
    disruptions_allowed: Int32 = 0
    """How many pods may be evicted now."""
    current_healthy: Int32 = 0
    """How many pods are ready."""
    desired_healthy: Int32 = 0
    """How many must be."""
    expected_pods: Int32 = 0
    """How many there should be."""
    conditions: Annotated[list[Condition], ListKey("type")] = []
    """DisruptionAllowed: whether a pod may be evicted, and why not."""


class PodDisruptionBudget(Object):
    """How many pods of a group may be missing because somebody wants them to: a drain asks before it evicts."""

    api_version: str = "policy/v1"
    kind: str = "PodDisruptionBudget"
    spec: PodDisruptionBudgetSpec = Field(default_factory=PodDisruptionBudgetSpec)
    """Which pods, and how many of them must stay."""
    status: PodDisruptionBudgetStatus = Field(default_factory=PodDisruptionBudgetStatus)
    """What is observed of the pods."""
