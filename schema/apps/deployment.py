"""Deployment: pods of a template that is replaced step by step when it changes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf, RetainKeys
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, Int64, IntOrString, LabelSelector, Natural32, Object, Time


class RollingUpdateDeployment(ApiModel):
    """How many pods may be missing or too many during an update."""

    max_unavailable: IntOrString | None = None
    """How many pods of those asked for may be unavailable: a number, or a percentage rounded down. 25% by default."""
    max_surge: IntOrString | None = None
    """How many pods there may be above those asked for: a number, or a percentage rounded up. 25% by default."""


class DeploymentStrategy(ApiModel):
    """How pods are replaced."""

    type: Annotated[str, OneOf("Recreate", "RollingUpdate")] = ""
    """RollingUpdate (default): step by step; Recreate: the old ones go before new ones are made."""
    rolling_update: RollingUpdateDeployment | None = None
    """The steps of a RollingUpdate."""


class DeploymentSpec(ApiModel):
    """Which pods there should be, and how they are replaced."""

    replicas: Natural32 | None = None
    """How many pods there should be; 1 by default."""
    selector: LabelSelector
    """Which pods are the Deployment's; must match the labels of the template. Cannot be changed."""
    template: PodTemplateSpec
    """What pods are made from. A change of it is a new revision."""
    strategy: Annotated[DeploymentStrategy | None, RetainKeys()] = None
    """How pods of an old template are replaced."""
    min_ready_seconds: Natural32 = 0
    """How long a pod must be ready, without any of its containers crashing, to count as available."""
    revision_history_limit: Natural32 | None = None
    """How many old ReplicaSets are kept to go back to; 10 by default."""
    paused: bool = False
    """While true, changes of the template are not rolled out."""
    progress_deadline_seconds: Int32 | None = None
    """Seconds without progress after which an update has failed; 600 by default."""


class DeploymentCondition(ApiModel):
    """One aspect of the state of a Deployment."""

    type: str
    """Available, Progressing or ReplicaFailure."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_update_time: Time | None = None
    """When the condition was last updated; of Progressing, when there was progress."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word, for programs."""
    message: str = ""
    """Why, in a sentence, for people."""


class DeploymentStatus(ApiModel):
    """Which pods there are."""

    observed_generation: Int64 = 0
    """The metadata.generation that the status was worked out for."""
    replicas: Int32 = 0
    """How many pods there are, of all revisions."""
    updated_replicas: Int32 = 0
    """How many pods there are of the newest revision."""
    ready_replicas: Int32 = 0
    """How many pods are ready."""
    available_replicas: Int32 = 0
    """How many pods have been ready for minReadySeconds."""
    unavailable_replicas: Int32 = 0
    """How many pods are missing for all that are asked for to be available."""
    terminating_replicas: Int32 | None = None
    """How many pods are on their way out."""
    collision_count: Int32 | None = None
    """How often the name of a new ReplicaSet was taken; it goes into the hash of the next one."""
    observed_configuration: dict[str, str] = {}
    """Slipway's: the ConfigMaps and Secrets that the template uses, and the copies that hold what they last said. Only
    with slipway.dev/rollout-on-config-change."""
    conditions: Annotated[list[DeploymentCondition], ListKey("type")] = []
    """Aspects of its state."""


class Deployment(Object):
    """Keeps so many pods of a template running, and replaces them step by step when the template changes."""

    api_version: str = "apps/v1"
    kind: str = "Deployment"
    spec: DeploymentSpec
    """Which pods there should be, and how they are replaced."""
    status: DeploymentStatus = Field(default_factory=DeploymentStatus)
    """Which pods there are."""
