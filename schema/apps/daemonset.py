"""DaemonSet: one pod on each node."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import Int32, IntOrString, LabelSelector, Natural32, Natural64, Object, Time


class RollingUpdateDaemonSet(ApiModel):
    """How pods of the old template are replaced."""

    max_unavailable: IntOrString | None = None
    """How many nodes may be without an available pod, as a number or a percentage; 1 by default."""
    max_surge: IntOrString | None = None
    """On how many nodes the new pod may come before the old one goes; 0 by default."""


class DaemonSetUpdateStrategy(ApiModel):
    """What happens when the template changes."""

    type: Annotated[str, OneOf("OnDelete", "RollingUpdate")] = ""
    """RollingUpdate (the default), or OnDelete: when somebody deletes the pods."""
    rolling_update: RollingUpdateDaemonSet | None = None
    """How, for RollingUpdate."""


class DaemonSetSpec(ApiModel):
    """What a DaemonSet should be."""

    selector: LabelSelector
    """Which pods are its own; it must match the labels of the template and cannot change."""
    template: PodTemplateSpec
    """What its pods are made from. Its node selector and affinity say on which nodes."""
    update_strategy: DaemonSetUpdateStrategy = Field(default_factory=DaemonSetUpdateStrategy)
    """What happens when the template changes."""
    min_ready_seconds: Natural32 = 0
    """How long a pod must have been ready to count as available."""
    revision_history_limit: Natural32 | None = None
    """How many old revisions are kept for rollbacks; 10 by default."""


class DaemonSetCondition(ApiModel):
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


class DaemonSetStatus(ApiModel):
    """What is observed of a DaemonSet."""

    current_number_scheduled: Natural32 = 0
    """Nodes that should have a pod and have one."""
    number_misscheduled: Natural32 = 0
    """Nodes that have a pod and should have none."""
    desired_number_scheduled: Natural32 = 0
    """Nodes that should have a pod."""
    number_ready: Natural32 = 0
    """Nodes that should have a pod and have a ready one."""
    observed_generation: Natural64 = 0
    """The generation that this status speaks of."""
    updated_number_scheduled: Natural32 = 0
    """Nodes that have a pod of the template as it is now."""
    number_available: Natural32 = 0
    """Nodes that have a pod which has been ready for minReadySeconds."""
    number_unavailable: Natural32 = 0
    """Nodes that should have one and have not."""
    collision_count: Int32 | None = None
    """Unused."""
    observed_configuration: dict[str, str] = {}
    """Slipway's: the ConfigMaps and Secrets that the template uses, and the copies that hold what they last said. Only
    with slipway.dev/rollout-on-config-change."""
    conditions: Annotated[list[DaemonSetCondition], ListKey("type")] = []
    """Why it is as it is."""


class DaemonSet(Object):
    """One pod on each node that its template allows."""

    api_version: str = "apps/v1"
    kind: str = "DaemonSet"
    spec: DaemonSetSpec
    """What it should be."""
    status: DaemonSetStatus = Field(default_factory=DaemonSetStatus)
    """What is observed of it."""
