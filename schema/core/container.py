"""Containers of a pod. Also gathers what a container is made of, for one import."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, ListKey, NotYet, OneOf
from schema.core.container_status import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from schema.core.environment import (
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretEnvSource,
    SecretKeySelector,
)
from schema.core.probe import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Lifecycle,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from schema.core.resources import ResourceClaim, ResourceList, ResourceRequirements
from schema.core.security import (
    AppArmorProfile,
    Capabilities,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    SELinuxOptions,
    Sysctl,
)
from schema.meta import HostPort, Int32, Port


class ContainerPort(ApiModel):
    """A port of a container."""

    name: str = ""
    """Name of the port, unique in the pod, for services to refer to."""
    host_port: HostPort = 0
    """Port of the node that leads to this one."""
    container_port: Port
    """Port inside the pod's network, 1 to 65535."""
    protocol: Annotated[str, OneOf("TCP", "UDP", "SCTP")] = ""
    """TCP, UDP or SCTP; TCP by default."""
    host_ip: str = ""
    """Address of the node on which hostPort is opened; all by default."""


class VolumeMount(ApiModel):
    """Makes a volume of the pod visible in a container."""

    name: str
    """Name of the volume in spec.volumes."""
    read_only: bool = False
    """Mount it read-only."""
    recursive_read_only: Annotated[str | None, OneOf("Disabled", "IfPossible", "Enabled")] = None
    """Whether a read-only mount is read-only in its submounts too."""
    mount_path: str
    """Where in the container the volume appears; must not contain a colon."""
    sub_path: str = ""
    """A path within the volume to mount instead of its root."""
    mount_propagation: Annotated[str | None, OneOf("None", "HostToContainer", "Bidirectional")] = None
    """Whether later mounts are seen from host to container and back; None by default."""
    sub_path_expr: str = ""
    """As subPath, with $(VAR) replaced from the container's environment."""


class VolumeDevice(ApiModel):
    """Maps a raw block device into a container."""

    name: str
    """Name of a persistentVolumeClaim in spec.volumes."""
    device_path: str
    """Path of the device in the container."""


class ContainerResizePolicy(ApiModel):
    """What a change of a resource means for a running container."""

    resource_name: Annotated[str, OneOf("cpu", "memory")]
    """cpu or memory."""
    restart_policy: Annotated[str, OneOf("NotRequired", "RestartContainer")]
    """NotRequired or RestartContainer."""


class ContainerRestartRuleOnExitCodes(ApiModel):
    """Exit codes a rule is about."""

    operator: Annotated[str, OneOf("In", "NotIn")]
    """In or NotIn."""
    values: list[Int32] = []
    """The exit codes."""


class ContainerRestartRule(ApiModel):
    """What to do when a container ends in a certain way."""

    action: Annotated[str, OneOf("Restart", "RestartAllContainers")]
    """What to do."""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None
    """The exit codes the rule is about."""


class Container(ApiModel):
    """One program of a pod: an image, what to run in it, and within what bounds."""

    name: str
    """Name of the container, a DNS label, unique in the pod. Cannot be changed."""
    image: str = ""
    """Image reference: registry.example.com/team/app:1.2 or …@sha256:…"""
    command: list[str] = []
    """Program to run instead of the image's entrypoint; no shell. $(VAR) is replaced from the environment."""
    args: list[str] = []
    """Arguments of the program, instead of the image's command. $(VAR) is replaced from the environment."""
    working_dir: str = ""
    """Working directory; the image's by default."""
    ports: Annotated[list[ContainerPort], ListKey("containerPort", ("containerPort", "protocol"))] = []
    """Ports the container listens on. Only hostPort has an effect; the rest informs."""
    env_from: list[EnvFromSource] = []
    """Sources whose keys all become environment variables; later ones win, and env wins over all."""
    env: Annotated[list[EnvVar], ListKey("name")] = []
    """Environment variables."""
    resources: ResourceRequirements | None = None
    """What the container is given and may use at most."""
    resize_policy: Annotated[list[ContainerResizePolicy], NotYet("running containers are not resized")] = []
    """What a change of resources means for the running container."""
    restart_policy: Annotated[str | None, OneOf("Always", "OnFailure", "Never")] = None
    """Only on an init container, and only Always: it keeps running beside the containers (a sidecar)."""
    restart_policy_rules: Annotated[
        list[ContainerRestartRule], NotYet("the pod's restartPolicy applies to every container")
    ] = []
    """Rules, checked in order, for what happens when the container ends."""
    volume_mounts: Annotated[list[VolumeMount], ListKey("mountPath")] = []
    """Volumes of the pod that the container sees."""
    volume_devices: Annotated[list[VolumeDevice], ListKey("devicePath"), NotYet("block devices are not mapped")] = []
    """Block devices the container sees."""
    liveness_probe: Probe | None = None
    """Its failure restarts the container."""
    readiness_probe: Probe | None = None
    """Its failure takes the pod out of services."""
    startup_probe: Probe | None = None
    """Until it succeeds no other probe runs."""
    lifecycle: Lifecycle | None = None
    """What to do after the start and before the stop."""
    termination_message_path: str = ""
    """File whose contents become the message of the ended container; /dev/termination-log by default."""
    termination_message_policy: Annotated[str, OneOf("File", "FallbackToLogsOnError")] = ""
    """File, or FallbackToLogsOnError to use the end of the log if the file is empty and the container failed."""
    image_pull_policy: Annotated[str, OneOf("Always", "IfNotPresent", "Never")] = ""
    """Always, IfNotPresent or Never; Always by default for the tag latest, else IfNotPresent."""
    security_context: SecurityContext | None = None
    """Security settings; they win over the pod's."""
    stdin: bool = False
    """Keep standard input open for attach."""
    stdin_once: bool = False
    """Close standard input after the first attach ends."""
    tty: bool = False
    """Give the container a terminal; needs stdin to be useful."""


class EphemeralContainer(Container):
    """A container added to a running pod for debugging; it never restarts and reserves nothing."""

    target_container_name: str = ""
    """The container whose process namespace it joins; by default it has one of its own, or the pod's."""


__all__ = [
    "AppArmorProfile",
    "Capabilities",
    "ConfigMapEnvSource",
    "ConfigMapKeySelector",
    "Container",
    "ContainerPort",
    "ContainerResizePolicy",
    "ContainerRestartRule",
    "ContainerRestartRuleOnExitCodes",
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "EnvFromSource",
    "EnvVar",
    "EnvVarSource",
    "EphemeralContainer",
    "ExecAction",
    "GRPCAction",
    "HTTPGetAction",
    "HTTPHeader",
    "Lifecycle",
    "LifecycleHandler",
    "ObjectFieldSelector",
    "PodSecurityContext",
    "Probe",
    "ResourceClaim",
    "ResourceFieldSelector",
    "ResourceList",
    "ResourceRequirements",
    "SELinuxOptions",
    "SeccompProfile",
    "SecretEnvSource",
    "SecretKeySelector",
    "SecurityContext",
    "SleepAction",
    "Sysctl",
    "TCPSocketAction",
    "VolumeDevice",
    "VolumeMount",
]
