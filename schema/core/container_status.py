"""What is observed of a container."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, ListKey
from schema.core.resources import ResourceList, ResourceRequirements
from schema.meta import Int32, Int64, Time


class ContainerStateWaiting(ApiModel):
    """The container does not run yet, or not again."""

    reason: str = ""
    """Why, in one CamelCase word: ContainerCreating, ImagePullBackOff, CrashLoopBackOff, ..."""
    message: str = ""
    """Why, in a sentence."""


class ContainerStateRunning(ApiModel):
    """The container runs."""

    started_at: Time | None = None
    """When it started."""


class ContainerStateTerminated(ApiModel):
    """The container ended."""

    exit_code: Int32
    """Exit status, 128 + signal where a signal ended it."""
    signal: Int32 = 0
    """The signal that ended it, if one did."""
    reason: str = ""
    """Why, in one CamelCase word: Completed, Error, OOMKilled, ..."""
    message: str = ""
    """What the container left in its termination message, or why it ended."""
    started_at: Time | None = None
    """When it started."""
    finished_at: Time | None = None
    """When it ended."""
    container_id: str = ""
    """Id of the container, <runtime>://<id>."""


class ContainerState(ApiModel):
    """Exactly one of its fields is set; waiting if none is."""

    waiting: ContainerStateWaiting | None = None
    """The container does not run yet, or not again."""
    running: ContainerStateRunning | None = None
    """The container runs."""
    terminated: ContainerStateTerminated | None = None
    """The container ended."""


class LinuxContainerUser(ApiModel):
    """Who the first process of a container is."""

    uid: Int64
    """User id."""
    gid: Int64
    """Group id."""
    supplemental_groups: list[Int64] = []
    """Further group ids."""


class ContainerUser(ApiModel):
    """Who the first process of a container is."""

    linux: LinuxContainerUser | None = None
    """On Linux."""


class VolumeMountStatus(ApiModel):
    """A mount as it was made."""

    name: str
    """Name of the volume."""
    mount_path: str
    """Where in the container it appears."""
    read_only: bool = False
    """Whether it is read-only."""
    recursive_read_only: str | None = None
    """Whether its submounts are too."""


class ResourceHealth(ApiModel):
    """Health of one device."""

    resource_id: str = ""
    """Id of the device."""
    health: str = ""
    """Healthy, Unhealthy or Unknown."""


class ResourceStatus(ApiModel):
    """Devices given to a container."""

    name: str
    """Name of the resource."""
    resources: Annotated[list[ResourceHealth], ListKey("resourceID")] = []
    """Health of each."""


class ContainerStatus(ApiModel):
    """What is observed of one container of the pod."""

    name: str
    """Name of the container."""
    state: ContainerState | None = None
    """What it does now."""
    last_state: ContainerState | None = None
    """How it ended the time before."""
    ready: bool
    """Whether it may be sent traffic."""
    restart_count: Int32
    """How often it was restarted."""
    image: str
    """The image it runs."""
    image_id: str
    """Digest of the image it runs."""
    container_id: str = ""
    """Id of the container, <runtime>://<id>."""
    started: bool | None = None
    """Whether it started and passed its startup probe."""
    allocated_resources: ResourceList = {}
    """Requests that the node has set aside for it."""
    resources: ResourceRequirements | None = None
    """Requests and limits in force."""
    volume_mounts: Annotated[list[VolumeMountStatus], ListKey("mountPath")] = []
    """Its mounts."""
    user: ContainerUser | None = None
    """Who its first process is."""
    allocated_resources_status: Annotated[list[ResourceStatus], ListKey("name")] = []
    """Its devices."""
    stop_signal: str | None = None
    """Signal that asks it to stop."""
