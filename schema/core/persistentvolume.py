"""PersistentVolume: a piece of storage that outlives pods."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, NotYet, OneOf
from schema.core.affinity import NodeSelector
from schema.core.reference import ObjectReference, SecretReference
from schema.core.resources import ResourceList
from schema.core.volume import HostPathVolumeSource, NFSVolumeSource
from schema.meta import Object, Time

PROTECTION = "kubernetes.io/pv-protection"
"""Finalizer: a volume stays while it is bound."""
DATA = "local.slipway.dev/data"
"""Finalizer: the directory is still on its node."""
PATH = "slipway.dev/path"
"""Annotation: where on its node the directory is. Set once it has been made, so from then on it must be there."""
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


class LocalVolumeSource(ApiModel):
    """A directory of one node."""

    path: str
    """Its path on the node. It must be there."""
    fs_type: Annotated[str | None, NotYet("a directory is used as it is")] = None
    """File system type of a block device."""


class CSIPersistentVolumeSource(ApiModel):
    """Storage of a driver. local.slipway.dev is the agent: a directory on the node."""

    driver: str
    """Name of the driver."""
    volume_handle: str
    """The driver's name of the volume."""
    read_only: bool = False
    """Mount it read-only."""
    fs_type: str = ""
    """File system type."""
    volume_attributes: dict[str, str] = {}
    """Properties for the driver."""
    controller_publish_secret_ref: SecretReference | None = None
    """Secret for the driver."""
    node_stage_secret_ref: SecretReference | None = None
    """Secret for the driver."""
    node_publish_secret_ref: SecretReference | None = None
    """Secret for the driver."""
    controller_expand_secret_ref: SecretReference | None = None
    """Secret for the driver."""
    node_expand_secret_ref: SecretReference | None = None
    """Secret for the driver."""


class VolumeNodeAffinity(ApiModel):
    """From which nodes a volume can be reached."""

    required: NodeSelector | None = None
    """Nodes that can; pods that use it are placed there only."""


class PersistentVolumeSpec(ApiModel):
    """What a volume is. Exactly one source must be given."""

    capacity: ResourceList = {}
    """What it holds."""
    access_modes: list[str] = []
    """How it may be mounted: ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod."""
    claim_ref: ObjectReference | None = None
    """The claim it is bound to, or kept for."""
    persistent_volume_reclaim_policy: Annotated[str, OneOf("Delete", "Retain")] = ""
    """What becomes of it when its claim is deleted: Retain (the default for volumes made by hand) or Delete."""
    storage_class_name: str = ""
    """Its class; claims of another do not get it."""
    mount_options: Annotated[list[str], NotYet("a directory is not mounted with options")] = []
    """Options to mount it with."""
    volume_mode: Annotated[str | None, OneOf("Block", "Filesystem")] = None
    """Filesystem or Block."""
    node_affinity: VolumeNodeAffinity | None = None
    """From which nodes it can be reached; absent: from all."""
    volume_attributes_class_name: Annotated[str | None, NotYet("volumes have no attributes classes")] = None
    """The volume attributes class."""
    host_path: HostPathVolumeSource | None = None
    """A directory of whichever node the pod is on."""
    local: LocalVolumeSource | None = None
    """A directory of one node."""
    csi: CSIPersistentVolumeSource | None = None
    """Storage of a driver."""
    nfs: Annotated[NFSVolumeSource | None, NotYet("network storage is not mounted: the pod waits")] = None
    """A directory of an NFS server."""


class PersistentVolumeStatus(ApiModel):
    """What a volume is used for."""

    phase: Annotated[str, OneOf("Pending", "Available", "Bound", "Released", "Failed")] = ""
    """Available, Bound, Released (its claim is gone), or Failed (it could not be reclaimed)."""
    message: str = ""
    """Why, in a sentence."""
    reason: str = ""
    """Why, in one CamelCase word."""
    last_phase_transition_time: Time | None = None
    """When the phase last changed."""


class PersistentVolume(Object):
    """A piece of storage that outlives pods: made by hand, or for a claim by its class."""

    api_version: str = "v1"
    kind: str = "PersistentVolume"
    spec: PersistentVolumeSpec = Field(default_factory=PersistentVolumeSpec)
    """What it is."""
    status: PersistentVolumeStatus = Field(default_factory=PersistentVolumeStatus)
    """What it is used for."""
