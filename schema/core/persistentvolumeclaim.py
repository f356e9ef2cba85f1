"""PersistentVolumeClaim: a wish for storage that outlives pods."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, OneOf
from schema.core.resources import ResourceList
from schema.core.volume import PersistentVolumeClaimSpec
from schema.meta import Object, Time

PROTECTION = "kubernetes.io/pvc-protection"
"""Finalizer: a claim stays while a pod uses it."""
BOUND_COMPLETELY = "pv.kubernetes.io/bind-completed"
"""Annotation: spec.volumeName is a binding, not a wish."""
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE = "volume.kubernetes.io/selected-node"


class PersistentVolumeClaimCondition(ApiModel):
    """One aspect of a claim's state."""

    type: str
    """Bound, or Resizing."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_probe_time: Time | None = None
    """When it was last looked at."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""


class PersistentVolumeClaimStatus(ApiModel):
    """What a claim has got."""

    phase: Annotated[str, OneOf("Pending", "Bound", "Lost")] = ""
    """Pending, Bound, or Lost: its volume is gone."""
    access_modes: list[str] = []
    """How its volume may be mounted."""
    capacity: ResourceList = {}
    """What its volume holds. A directory of class local is not kept to it."""
    conditions: Annotated[list[PersistentVolumeClaimCondition], ListKey("type")] = []
    """Why it is as it is."""


class PersistentVolumeClaim(Object):
    """A wish for storage, by which pods use it. It is bound to one PersistentVolume."""

    api_version: str = "v1"
    kind: str = "PersistentVolumeClaim"
    spec: PersistentVolumeClaimSpec = Field(default_factory=PersistentVolumeClaimSpec)
    """What is asked for."""
    status: PersistentVolumeClaimStatus = Field(default_factory=PersistentVolumeClaimStatus)
    """What it has got."""
