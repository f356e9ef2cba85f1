"""What can go wrong on a node. The text of each is fit for a pod's status: what, where, what to do.

AgentError
├── HostConflict          a range, name or port is already somebody else's on this host
├── ImageError            reason is a Kubernetes waiting reason
│   ├── InvalidImageName
│   ├── ImagePullError      ErrImagePull: registry unreachable, not found, unauthorised, digest mismatch, hostile layer
│   └── ImageNeverPull      ErrImageNeverPull
├── VolumeError           a ConfigMap, Secret or path that is missing or of the wrong type
├── ConfigError           CreateContainerConfigError: an environment source is missing, a user name is unknown
├── CreateError           CreateContainerError, RunContainerError: the runtime refused
├── DiskStaysFull         FreeDiskSpaceFailed: all images that may go have gone, and it is not enough
├── NodePressure          the node has no room (disk) to start anything new
└── NotRunning            the container asked for is not there or has ended
"""

from __future__ import annotations


class AgentError(Exception):
    """``reason`` is the CamelCase word of a waiting state or event."""

    reason = "AgentError"


class HostConflict(AgentError):
    reason = "HostConflict"


class ImageError(AgentError):
    reason = "ErrImagePull"


class InvalidImageName(ImageError):
    reason = "InvalidImageName"


class ImagePullError(ImageError):
    reason = "ErrImagePull"


class ImageNeverPull(ImageError):
    reason = "ErrImageNeverPull"


class VolumeError(AgentError):
    reason = "FailedMount"


class ConfigError(AgentError):
    reason = "CreateContainerConfigError"


class CreateError(AgentError):
    reason = "CreateContainerError"


class DiskStaysFull(AgentError):
    reason = "FreeDiskSpaceFailed"


class NodePressure(AgentError):
    reason = "NodeUnderDiskPressure"


class NotRunning(AgentError):
    reason = "NotRunning"
