"""ReplicationController: the ReplicaSet of old."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, Atomic, ListKey, OneOf
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, Int64, Natural32, Object, Time


class ReplicationControllerSpec(ApiModel):
    """Which pods there should be."""

    replicas: Natural32 | None = None
    """How many pods there should be; 1 by default."""
    min_ready_seconds: Natural32 = 0
    """How long a pod must be ready, without any of its containers crashing, to count as available."""
    selector: Annotated[dict[str, str], Atomic()] = {}
    """Labels of the pods that are counted; those of the template by default."""
    template: PodTemplateSpec | None = None
    """What missing pods are made from."""


class ReplicationControllerCondition(ApiModel):
    """One aspect of the state of a ReplicationController."""

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


class ReplicationControllerStatus(ApiModel):
    """Which pods there are."""

    replicas: Int32 = 0
    """How many pods there are."""
    fully_labeled_replicas: Int32 = 0
    """How many of them have all labels of the template."""
    ready_replicas: Int32 = 0
    """How many of them are ready."""
    available_replicas: Int32 = 0
    """How many of them have been ready for minReadySeconds."""
    observed_generation: Int64 = 0
    """The metadata.generation that the status was worked out for."""
    conditions: Annotated[list[ReplicationControllerCondition], ListKey("type")] = []
    """Aspects of its state."""


class ReplicationController(Object):
    """Keeps so many pods of one template running, chosen by plain labels. ReplicaSets and Deployments came after it."""

    api_version: str = "v1"
    kind: str = "ReplicationController"
    spec: ReplicationControllerSpec
    """Which pods there should be."""
    status: ReplicationControllerStatus = Field(default_factory=ReplicationControllerStatus)
    """Which pods there are."""
