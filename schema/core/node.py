"""Node: a host that runs pods."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, ListKey, ListSet, NotYet, OneOf
from schema.core.resources import ResourceList
from schema.meta import Int32, Int64, Object, Time


class Taint(ApiModel):
    """Keeps pods off a node unless they tolerate it."""

    key: str
    """Key of the taint."""
    value: str = ""
    """Value of the taint."""
    effect: Annotated[str, OneOf("NoSchedule", "PreferNoSchedule", "NoExecute")]
    """NoSchedule, PreferNoSchedule, or NoExecute, which also evicts."""
    time_added: Time | None = None
    """When the taint was added."""


class ConfigMapNodeConfigSource(ApiModel):
    """Unused; kept for compatibility."""

    namespace: str = ""
    """Unused."""
    name: str = ""
    """Unused."""
    uid: str = ""
    """Unused."""
    resource_version: str = ""
    """Unused."""
    kubelet_config_key: str = ""
    """Unused."""


class NodeConfigSource(ApiModel):
    """Unused; kept for compatibility."""

    config_map: ConfigMapNodeConfigSource | None = None
    """Unused."""


class NodeSpec(ApiModel):
    """What a node should be."""

    pod_cidr: str = ""
    """The range of addresses of the node's pods."""
    pod_cidrs: Annotated[list[str], ListSet()] = []
    """The ranges of addresses of the node's pods; the first is podCIDR."""
    provider_id: str = ""
    """Id of the machine at its provider, <provider>://<id>."""
    unschedulable: bool = False
    """True keeps new pods off the node (cordon)."""
    taints: list[Taint] = []
    """Keep pods off the node unless they tolerate them."""
    config_source: Annotated[NodeConfigSource | None, NotYet("agents are configured on their command line")] = None
    """Unused; kept for compatibility."""
    external_id: str = ""
    """Unused; kept for compatibility."""


class NodeAddress(ApiModel):
    """An address of the node."""

    type: str
    """Hostname, InternalIP, ExternalIP, InternalDNS or ExternalDNS."""
    address: str
    """The address."""


class NodeCondition(ApiModel):
    """One aspect of the node's state."""

    type: str
    """Ready, MemoryPressure, DiskPressure, PIDPressure or NetworkUnavailable."""
    status: Annotated[str, OneOf("True", "False", "Unknown")]
    """True, False or Unknown."""
    last_heartbeat_time: Time | None = None
    """When the agent last said so."""
    last_transition_time: Time | None = None
    """When status last changed."""
    reason: str = ""
    """Why, in one CamelCase word."""
    message: str = ""
    """Why, in a sentence."""


class NodeSwapStatus(ApiModel):
    """Swap space."""

    capacity: Int64 | None = None
    """In bytes."""


class NodeSystemInfo(ApiModel):
    """What the node is and runs."""

    machine_id: str
    """/etc/machine-id."""
    system_uuid: str
    """UUID of the hardware."""
    boot_id: str
    """Changes with every boot."""
    kernel_version: str
    """uname -r."""
    os_image: str
    """PRETTY_NAME of /etc/os-release."""
    container_runtime_version: str
    """<runtime>://<version>."""
    kubelet_version: str
    """Version of the agent."""
    kube_proxy_version: str
    """Empty: there is none."""
    operating_system: str
    """linux."""
    architecture: str
    """As in images: amd64, arm64, ..."""
    swap: NodeSwapStatus | None = None
    """Swap space."""


class DaemonEndpoint(ApiModel):
    """A port of a daemon on the node."""

    port: Annotated[Int32, Field(alias="Port")]
    """Its number."""


class NodeDaemonEndpoints(ApiModel):
    """Ports of daemons on the node."""

    kubelet_endpoint: DaemonEndpoint | None = None
    """Where the kubelet listens: the agent does not listen, it dials out."""


class ContainerImage(ApiModel):
    """An image present on the node."""

    names: list[str] = []
    """Its names: tags and digests."""
    size_bytes: Int64 = 0
    """Its size."""


class AttachedVolume(ApiModel):
    """A volume attached to the node."""

    name: str
    """Name of the volume."""
    device_path: str
    """Its device."""


class NodeRuntimeHandlerFeatures(ApiModel):
    """What a runtime can do."""

    recursive_read_only_mounts: bool | None = None
    """Recursive read-only mounts."""
    user_namespaces: bool | None = None
    """User namespaces."""


class NodeRuntimeHandler(ApiModel):
    """A runtime of the node."""

    name: str = ""
    """Its name; empty for the default one."""
    features: NodeRuntimeHandlerFeatures | None = None
    """What it can do."""


class NodeFeatures(ApiModel):
    """What the node can do whatever the runtime."""

    supplemental_groups_policy: bool | None = None
    """supplementalGroupsPolicy is honoured."""


class NodeImagePeer(ApiModel):
    """By which other nodes get layers of images from this one."""

    port: int = 0
    """TCP, at the node's InternalIP; 0 for a node that only asks."""
    certificate: str = ""
    """DER in base64, signed by itself: whoever has its key is this node."""


class WireGuardKey(ApiModel):
    """By which other nodes encrypt what they send to the pods of this one."""

    public_key: str = ""
    """Base64."""
    port: int = 0
    """UDP, at the node's InternalIP."""


class NodeConfigStatus(ApiModel):
    """Unused; kept for compatibility."""

    assigned: NodeConfigSource | None = None
    """Unused."""
    active: NodeConfigSource | None = None
    """Unused."""
    last_known_good: NodeConfigSource | None = None
    """Unused."""
    error: str = ""
    """Unused."""


class NodeStatus(ApiModel):
    """What is observed of a node."""

    capacity: ResourceList = {}
    """What the node has."""
    allocatable: ResourceList = {}
    """What of it pods may request."""
    phase: str = ""
    """Unused; kept for compatibility."""
    conditions: Annotated[list[NodeCondition], ListKey("type")] = []
    """Aspects of the node's state."""
    addresses: Annotated[list[NodeAddress], ListKey("type")] = []
    """Where the node can be reached."""
    daemon_endpoints: NodeDaemonEndpoints | None = None
    """Ports of daemons on the node."""
    node_info: NodeSystemInfo | None = None
    """What the node is and runs."""
    images: list[ContainerImage] = []
    """Images present on the node."""
    volumes_in_use: list[str] = []
    """Attachable volumes in use."""
    volumes_attached: list[AttachedVolume] = []
    """Volumes attached."""
    config: NodeConfigStatus | None = None
    """Unused; kept for compatibility."""
    runtime_handlers: list[NodeRuntimeHandler] = []
    """The runtimes of the node."""
    features: NodeFeatures | None = None
    """What the node can do whatever the runtime."""
    image_peer: NodeImagePeer | None = None
    """How other nodes get layers of images from this one."""
    wireguard: list[WireGuardKey] = []
    """Where packets between nodes are encrypted: the node's public keys. Two, which take turns."""


class Node(Object):
    """A host that runs pods. Its agent makes the object when it first connects."""

    api_version: str = "v1"
    kind: str = "Node"
    spec: NodeSpec = Field(default_factory=NodeSpec)
    """What the node should be."""
    status: NodeStatus = Field(default_factory=NodeStatus)
    """What is observed of it."""
