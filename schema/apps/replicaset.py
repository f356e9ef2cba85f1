"""ReplicaSet: so many pods of one template."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, Int64, LabelSelector, Natural32, Object, Time


class ReplicaSetSpec(ApiModel):
    """Which pods there should be."""

    replicas: Natural32 | None = None
    """How many pods there should be; 1 by default."""
    min_ready_seconds: Natural32 = 0
    """How long a pod must be ready, without any of its containers crashing, to count as available."""
    selector: LabelSelector
    """Which pods are counted; must match the labels of the template. Cannot be changed."""
    template: PodTemplateSpec | None = None
    """What missing pods are made from."""


class ReplicaSetCondition(ApiModel):
    """One aspect of the state of a ReplicaSet."""

    type: str
    """ReplicaFailure."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word, for programs."""
    message: str = ""
    """Why, in a sentence, for people."""


class ReplicaSetStatus(ApiModel):
    """Which pods there are."""

    replicas: Int32 = 0
    """How many pods there are."""
    fully_labeled_replicas: Int32 = 0
    """How many of them have all labels of the template."""
    ready_replicas: Int32 = 0
    """How many of them are ready."""
    available_replicas: Int32 = 0
    """How many of them have been ready for minReadySeconds."""
    terminating_replicas: Int32 | None = None
    """How many pods are on their way out."""
    observed_generation: Int64 = 0
    """The metadata.generation that the status was worked out for."""
    conditions: Annotated[list[ReplicaSetCondition], ListKey("type")] = []
    """Aspects of its state."""


class ReplicaSet(Object):
    """Keeps so many pods of one template running. Most are made by Deployments."""

    api_version: str = "apps/v1"
    kind: str = "ReplicaSet"
    spec: ReplicaSetSpec
    """Which pods there should be."""
    status: ReplicaSetStatus = Field(default_factory=ReplicaSetStatus)
    """Which pods there are."""
