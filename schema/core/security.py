"""Security settings of pods and containers."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, NotYet, OneOf
from schema.meta import Natural64

_NO_SELINUX = "SELinux labels are not applied"
_NO_APPARMOR = "AppArmor profiles are not applied"


class Capabilities(ApiModel):
    """POSIX capabilities added to and dropped from the default set."""

    add: list[str] = []
    """Capabilities to add, without CAP_; ALL for all."""
    drop: list[str] = []
    """Capabilities to drop, without CAP_; ALL for all."""


class SELinuxOptions(ApiModel):
    """The SELinux label of a container."""

    user: str = ""
    """SELinux user."""
    role: str = ""
    """SELinux role."""
    type: str = ""
    """SELinux type."""
    level: str = ""
    """SELinux level."""


class SeccompProfile(ApiModel):
    """Which system calls a container may make."""

    type: Annotated[str, OneOf("Unconfined", "RuntimeDefault", "Localhost")]
    """RuntimeDefault, Unconfined, or Localhost for a file on the node."""
    localhost_profile: str | None = None
    """The file, for type Localhost."""


class AppArmorProfile(ApiModel):
    """The AppArmor profile of a container."""

    type: Annotated[str, OneOf("Unconfined", "RuntimeDefault", "Localhost")]
    """RuntimeDefault, Unconfined, or Localhost for a profile loaded on the node."""
    localhost_profile: str | None = None
    """The profile's name, for type Localhost."""


class WindowsSecurityContextOptions(ApiModel):
    """Settings for Windows containers."""

    gmsa_credential_spec_name: str | None = None
    """Name of the GMSA credential spec."""
    gmsa_credential_spec: str | None = None
    """The GMSA credential spec itself."""
    run_as_user_name: str | None = None
    """User name to run as."""
    host_process: bool | None = None
    """Run as a host process container."""


class Sysctl(ApiModel):
    """A kernel parameter of the pod's namespaces."""

    name: str
    """Name of the parameter."""
    value: str
    """Its value."""


class SecurityContext(ApiModel):
    """Security settings of one container; they win over the pod's."""

    capabilities: Capabilities | None = None
    """Capabilities to add to and drop from the default set. Not with a Windows pod."""
    privileged: bool | None = None
    """Run with all capabilities and devices, as root on the host would. False by default."""
    se_linux_options: Annotated[SELinuxOptions | None, NotYet(_NO_SELINUX)] = None
    """SELinux label of the container."""
    windows_options: Annotated[WindowsSecurityContextOptions | None, NotYet("nodes run Linux")] = None
    """Windows settings."""
    run_as_user: Natural64 | None = None
    """User id of the container's first process; the image's by default."""
    run_as_group: Natural64 | None = None
    """Group id of the container's first process; the image's by default."""
    run_as_non_root: bool | None = None
    """Refuse to start the container as user 0."""
    read_only_root_filesystem: bool | None = None
    """Mount the container's root read-only. False by default."""
    allow_privilege_escalation: bool | None = None
    """Whether a process may gain more privileges than its parent (no_new_privs is set if not). True by default."""
    proc_mount: Annotated[str | None, OneOf("Default", "Unmasked")] = None
    """Default masks and write-protects sensitive parts of /proc; Unmasked does not."""
    seccomp_profile: SeccompProfile | None = None
    """Which system calls the container may make."""
    app_armor_profile: Annotated[AppArmorProfile | None, NotYet(_NO_APPARMOR)] = None
    """AppArmor profile of the container."""


class PodSecurityContext(ApiModel):
    """Security settings of all containers of a pod; a container's own win."""

    se_linux_options: Annotated[SELinuxOptions | None, NotYet(_NO_SELINUX)] = None
    """SELinux label of all containers."""
    windows_options: Annotated[WindowsSecurityContextOptions | None, NotYet("nodes run Linux")] = None
    """Windows settings."""
    run_as_user: Natural64 | None = None
    """User id of the containers' first processes; the images' by default."""
    run_as_group: Natural64 | None = None
    """Group id of the containers' first processes; the images' by default."""
    run_as_non_root: bool | None = None
    """Refuse to start containers as user 0."""
    supplemental_groups: list[Natural64] = []
    """Group ids that the containers' first processes also have."""
    supplemental_groups_policy: Annotated[
        str | None,
        OneOf("Merge", "Strict"),
        NotYet("groups of the image's /etc/group are always merged in", unless="Merge"),
    ] = None
    """Merge adds the groups that the image's /etc/group gives the user; Strict does not."""
    fs_group: Natural64 | None = None
    """Group that owns the pod's volumes and is given to all its processes."""
    sysctls: list[Sysctl] = []
    """Kernel parameters of the pod's namespaces."""
    fs_group_change_policy: Annotated[str | None, OneOf("Always", "OnRootMismatch")] = None
    """Whether a volume's ownership is changed Always or only OnRootMismatch."""
    seccomp_profile: SeccompProfile | None = None
    """Which system calls the containers may make."""
    app_armor_profile: Annotated[AppArmorProfile | None, NotYet(_NO_APPARMOR)] = None
    """AppArmor profile of the containers."""
    se_linux_change_policy: Annotated[str | None, OneOf("MountOption", "Recursive"), NotYet(_NO_SELINUX)] = None
    """How SELinux labels of volumes are changed."""
