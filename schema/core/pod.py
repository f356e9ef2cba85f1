"""Pod: containers that share a node, an address and a life."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, Atomic, ListKey, NotYet, OneOf, RetainKeys
from schema.core.affinity import Affinity, Toleration, TopologySpreadConstraint
from schema.core.container import (
    Container,
    ContainerPort,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    EphemeralContainer,
    PodSecurityContext,
    VolumeMount,
)
from schema.core.pod_status import HostIP, PodCondition, PodIP, PodStatus
from schema.core.reference import LocalObjectReference
from schema.core.resources import ResourceList, ResourceRequirements
from schema.core.volume import Volume
from schema.meta import Int32, Natural64, Object, Positive32


class HostAlias(ApiModel):
    """Further names of an address in the pod's hosts file."""

    ip: str
    """The address."""
    hostnames: list[str] = []
    """Its names."""


class PodDNSConfigOption(ApiModel):
    """An option of the resolver."""

    name: str = ""
    """Name of the option."""
    value: str | None = None
    """Its value, if it has one."""


class PodDNSConfig(ApiModel):
    """What to add to the resolver configuration that dnsPolicy makes."""

    nameservers: list[str] = []
    """Addresses of name servers."""
    searches: list[str] = []
    """Search domains."""
    options: list[PodDNSConfigOption] = []
    """Resolver options."""


class PodReadinessGate(ApiModel):
    """A condition that must be True for the pod to be ready."""

    condition_type: str
    """Type of the condition."""


class PodOS(ApiModel):
    """The operating system the pod needs."""

    name: Annotated[str, OneOf("linux", "windows")]
    """linux or windows."""


class PodSchedulingGate(ApiModel):
    """Something that holds the pod back from being placed."""

    name: str
    """Name of the gate."""


class PodResourceClaim(ApiModel):
    """A claim of devices."""

    name: str
    """Name by which containers refer to it."""
    resource_claim_name: str | None = None
    """An existing ResourceClaim."""
    resource_claim_template_name: str | None = None
    """A template from which one is made."""


class PodSpec(ApiModel):
    """What a pod should be."""

    volumes: Annotated[list[Volume], ListKey("name"), RetainKeys()] = []
    """Directories that containers of the pod may mount."""
    init_containers: Annotated[list[Container], ListKey("name")] = []
    """Run one after the other, each to its successful end, before the containers start."""
    containers: Annotated[list[Container], ListKey("name")]
    """The programs of the pod; at least one. They share network, IPC and host name."""
    ephemeral_containers: Annotated[list[EphemeralContainer], ListKey("name")] = []
    """Containers added to the running pod for debugging, by the subresource ephemeralcontainers."""
    restart_policy: Annotated[str, OneOf("Always", "OnFailure", "Never")] = ""
    """Whether ended containers are started again: Always, OnFailure or Never. Always by default."""
    termination_grace_period_seconds: Natural64 | None = None
    """Seconds between the request to stop and the kill; 30 by default."""
    active_deadline_seconds: Positive32 | None = None
    """Seconds after which the pod is failed and its containers are killed."""
    dns_policy: Annotated[str, OneOf("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")] = ""
    """How /etc/resolv.conf is made: ClusterFirst (default), ClusterFirstWithHostNet, Default (the node's) or None."""
    node_selector: Annotated[dict[str, str], Atomic()] = {}
    """Labels that the node must have."""
    service_account_name: str = ""
    """Service account the pod runs as; default by default."""
    service_account: str = ""
    """Old spelling of serviceAccountName."""
    automount_service_account_token: Annotated[
        bool | None, NotYet("service account tokens are not mounted", unless=False)
    ] = None
    """Whether a token of the service account is mounted."""
    node_name: str = ""
    """The node the pod runs on; set by the scheduler, or by whoever makes the pod to pass it by."""
    host_network: bool = False
    """Use the node's network instead of one of its own."""
    host_pid: bool = False
    """See the node's processes."""
    host_ipc: bool = False
    """Use the node's IPC."""
    share_process_namespace: bool | None = None
    """Let the containers see each other's processes."""
    security_context: PodSecurityContext | None = None
    """Security settings of all containers."""
    image_pull_secrets: Annotated[list[LocalObjectReference], ListKey("name")] = []
    """Secrets with credentials for the registries of the pod's images."""
    hostname: str = ""
    """Host name of the pod; its own name by default."""
    subdomain: str = ""
    """With hostname, the pod's full name is <hostname>.<subdomain>.<namespace>.svc.<cluster domain>."""
    affinity: Affinity | None = None
    """Rules about where the pod is placed."""
    scheduler_name: Annotated[str, NotYet("Slipway's own scheduler places every pod", unless="default-scheduler")] = ""
    """Which scheduler places the pod; default-scheduler by default."""
    tolerations: list[Toleration] = []
    """Taints of nodes that the pod tolerates."""
    host_aliases: Annotated[list[HostAlias], ListKey("ip")] = []
    """Entries to add to the pod's hosts file."""
    priority_class_name: str = ""
    """Importance of the pod, by the name of a PriorityClass; the default class where it is empty."""
    priority: Int32 | None = None
    """Importance of the pod: higher is placed first. Set by the server, from priorityClassName."""
    dns_config: PodDNSConfig | None = None
    """What to add to the resolver configuration."""
    readiness_gates: list[PodReadinessGate] = []
    """Further conditions for the pod to be ready."""
    runtime_class_name: Annotated[str | None, NotYet("the node's runtime is used")] = None
    """Which runtime runs the pod, by the name of a RuntimeClass."""
    enable_service_links: bool | None = None
    """Whether services are announced in environment variables; true by default."""
    preemption_policy: Annotated[str | None, OneOf("Never", "PreemptLowerPriority")] = None
    """Whether the pod may push out pods of lower priority."""
    overhead: Annotated[ResourceList, NotYet("no overhead is counted")] = {}
    """What the runtime itself needs for a pod of this RuntimeClass."""
    topology_spread_constraints: Annotated[
        list[TopologySpreadConstraint], ListKey("topologyKey", ("topologyKey", "whenUnsatisfiable"))
    ] = []
    """How pods of a group are spread over places."""
    set_hostname_as_fqdn: Annotated[
        bool | None, Field(alias="setHostnameAsFQDN"), NotYet("the host name is the short one", unless=False)
    ] = None
    """Use the full name as the kernel's host name."""
    os: Annotated[PodOS | None, NotYet("nodes run Linux", unless={"name": "linux"})] = None
    """The operating system the pod needs."""
    host_users: Annotated[bool | None, NotYet("user namespaces are not used", unless=True)] = None
    """False to give the pod a user namespace of its own."""
    scheduling_gates: Annotated[list[PodSchedulingGate], ListKey("name")] = []
    """The pod is not placed while there are any."""
    resource_claims: Annotated[
        list[PodResourceClaim], ListKey("name"), NotYet("dynamic resource allocation is not there")
    ] = []
    """Claims of devices that must be allocated before the pod starts."""
    resources: Annotated[ResourceRequirements | None, NotYet("only containers' resources are counted")] = None
    """Requests and limits of the pod as a whole."""
    hostname_override: Annotated[str | None, NotYet("the host name follows from name and hostname")] = None
    """Host name inside the pod, whatever hostname and subdomain say."""


class Pod(Object):
    """Containers that share a node, a network address and a life. The smallest thing that can be run."""

    api_version: str = "v1"
    kind: str = "Pod"
    spec: PodSpec
    """What the pod should be."""
    status: PodStatus = Field(default_factory=PodStatus)
    """What is observed of it."""


__all__ = [
    "Container",
    "ContainerPort",
    "ContainerState",
    "ContainerStateRunning",
    "ContainerStateTerminated",
    "ContainerStateWaiting",
    "ContainerStatus",
    "HostAlias",
    "HostIP",
    "Pod",
    "PodCondition",
    "PodDNSConfig",
    "PodDNSConfigOption",
    "PodIP",
    "PodOS",
    "PodReadinessGate",
    "PodResourceClaim",
    "PodSchedulingGate",
    "PodSecurityContext",
    "PodSpec",
    "PodStatus",
    "Toleration",
    "Volume",
    "VolumeMount",
]
