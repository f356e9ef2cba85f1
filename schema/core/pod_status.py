"""What is observed of a pod."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, ListKey, OneOf, RetainKeys
from schema.core.container_status import ContainerStatus
from schema.core.resources import ResourceList, ResourceRequirements
from schema.meta import Int64, Time


class PodCondition(ApiModel):
    """One aspect of the pod's state."""

    type: str
    """PodScheduled, Initialized, ContainersReady, Ready, DisruptionTarget, ..."""
    observed_generation: Int64 = 0
    """The metadata.generation that the condition was worked out for."""
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


class PodIP(ApiModel):
    """An address of the pod."""

    ip: str = ""
    """The address."""


class HostIP(ApiModel):
    """An address of the pod's node."""

    ip: str = ""
    """The address."""


class PodResourceClaimStatus(ApiModel):
    """What became of a claim."""

    name: str
    """Name of the entry in spec.resourceClaims."""
    resource_claim_name: str | None = None
    """The ResourceClaim made for it."""


class PodStatus(ApiModel):
    """What is observed of a pod."""

    observed_generation: Int64 = 0
    """The metadata.generation that the status is about."""
    phase: Annotated[str, OneOf("Pending", "Running", "Succeeded", "Failed", "Unknown")] = ""
    """Pending, Running, Succeeded, Failed or Unknown: where the pod is in its life."""
    conditions: Annotated[list[PodCondition], ListKey("type")] = []
    """Aspects of the pod's state."""
    message: str = ""
    """Why the pod is in this state, in a sentence."""
    reason: str = ""
    """Why the pod is in this state, in one CamelCase word: Evicted, NodeLost, ..."""
    nominated_node_name: str = ""
    """Node on which room is being made for the pod."""
    host_ip: str = ""
    """Address of the node."""
    host_ips: Annotated[list[HostIP], ListKey("ip"), RetainKeys()] = []
    """Addresses of the node."""
    pod_ip: str = ""
    """Address of the pod."""
    pod_ips: Annotated[list[PodIP], ListKey("ip")] = []
    """Addresses of the pod; the first is podIP."""
    start_time: Time | None = None
    """When the agent took the pod on."""
    init_container_statuses: list[ContainerStatus] = []
    """One entry for each init container."""
    container_statuses: list[ContainerStatus] = []
    """One entry for each container."""
    ephemeral_container_statuses: list[ContainerStatus] = []
    """One entry for each ephemeral container that has run."""
    qos_class: Annotated[str, OneOf("Guaranteed", "Burstable", "BestEffort")] = ""
    """Guaranteed, Burstable or BestEffort, from requests and limits."""
    resize: str = ""
    """State of a resize: Proposed, InProgress, Deferred, Infeasible."""
    resource_claim_statuses: Annotated[list[PodResourceClaimStatus], ListKey("name"), RetainKeys()] = []
    """What became of spec.resourceClaims."""
    allocated_resources: ResourceList = {}
    """Requests that the node has set aside for the pod."""
    resources: ResourceRequirements | None = None
    """Requests and limits of the pod as a whole in force."""
