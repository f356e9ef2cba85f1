"""StatefulSet: pods with names that stay, one after another, each with its own storage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.persistentvolumeclaim import PersistentVolumeClaim
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, IntOrString, LabelSelector, Natural32, Natural64, Object, Time

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


class StatefulSetOrdinals(ApiModel):
    """How pods are numbered."""

    start: Natural32 = 0
    """The first number; 0 by default."""


class RollingUpdateStatefulSetStrategy(ApiModel):
    """How pods of the old template are replaced."""

    partition: Natural32 | None = None
    """Pods with a lower ordinal stay as they are; 0 by default."""
    max_unavailable: IntOrString | None = None
    """How many pods may be unavailable during the update, as a number or a percentage of replicas; 1 by default."""


class StatefulSetUpdateStrategy(ApiModel):
    """What happens when the template changes."""

    type: Annotated[str, OneOf("OnDelete", "RollingUpdate")] = ""
    """RollingUpdate (the default): pods are replaced from the highest ordinal down; OnDelete: when somebody deletes them."""
    rolling_update: RollingUpdateStatefulSetStrategy | None = None
    """How, for RollingUpdate."""


class StatefulSetPersistentVolumeClaimRetentionPolicy(ApiModel):
    """What becomes of the claims."""

    when_deleted: Annotated[str, OneOf("Delete", "Retain")] = ""
    """When the StatefulSet is deleted: Retain (the default) or Delete."""
    when_scaled: Annotated[str, OneOf("Delete", "Retain")] = ""
    """When there are to be fewer pods: Retain (the default) or Delete."""


class StatefulSetSpec(ApiModel):
    """What a StatefulSet should be."""

    replicas: Natural32 | None = None
    """How many pods; 1 by default."""
    selector: LabelSelector
    """Which pods are its own; it must match the labels of the template and cannot change."""
    template: PodTemplateSpec
    """What its pods are made from."""
    volume_claim_templates: list[PersistentVolumeClaim] = []
    """Claims that each pod has for itself, named <template>-<pod>; the pod mounts them by the template's name."""
    service_name: str = ""
    """The headless service that gives its pods their host names."""
    pod_management_policy: Annotated[str, OneOf("OrderedReady", "Parallel")] = ""
    """OrderedReady (the default): one after another, each waits until those before it are ready; or Parallel."""
    update_strategy: StatefulSetUpdateStrategy = Field(default_factory=StatefulSetUpdateStrategy)
    """What happens when the template changes."""
    revision_history_limit: Natural32 | None = None
    """How many old revisions are kept for rollbacks; 10 by default."""
    min_ready_seconds: Natural32 = 0
    """How long a pod must have been ready to count as available."""
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    """What becomes of the claims."""
    ordinals: StatefulSetOrdinals | None = None
    """How pods are numbered."""


class StatefulSetCondition(ApiModel):
    """One aspect of its state."""

    type: str
    """Reconciling, Stalled."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    observed_generation: Natural64 = 0
    """The generation of which it speaks."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""


class StatefulSetStatus(ApiModel):
    """What is observed of a StatefulSet."""

    observed_generation: Natural64 = 0
    """The generation that this status speaks of."""
    replicas: Natural32 = 0
    """Pods that there are."""
    ready_replicas: Natural32 = 0
    """Pods that are ready."""
    current_replicas: Natural32 = 0
    """Pods of the current revision."""
    updated_replicas: Natural32 = 0
    """Pods of the update revision."""
    available_replicas: Natural32 = 0
    """Pods that have been ready for minReadySeconds."""
    current_revision: str = ""
    """The revision that all pods had last."""
    update_revision: str = ""
    """The revision of the template as it is now."""
    collision_count: Int32 | None = None
    """Unused."""
    observed_configuration: dict[str, str] = {}
    """Slipway's: the ConfigMaps and Secrets that the template uses, and the copies that hold what they last said. Only
    with slipway.dev/rollout-on-config-change."""
    conditions: Annotated[list[StatefulSetCondition], ListKey("type")] = []
    """Why it is as it is."""


class StatefulSet(Object):
    """Pods with names that stay, each with its own storage."""

    api_version: str = "apps/v1"
    kind: str = "StatefulSet"
    spec: StatefulSetSpec
    """What it should be."""
    status: StatefulSetStatus = Field(default_factory=StatefulSetStatus)
    """What is observed of it."""
