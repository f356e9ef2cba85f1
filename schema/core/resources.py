"""What a container or pod may use of its node."""

from __future__ import annotations

from typing import Annotated

from schema.base import ApiModel, ListKey, NotYet
from schema.quantity import Quantity

ResourceList = dict[str, Quantity]
"""Amounts by resource name: cpu, memory, ephemeral-storage, ..."""


class ResourceClaim(ApiModel):
    """Refers to an entry of the pod's resourceClaims."""

    name: str
    """Name of the entry in pod.spec.resourceClaims."""
    request: str = ""
    """One request of the claim; all of it by default."""


class ResourceRequirements(ApiModel):
    """What is guaranteed (requests) and what is the most (limits)."""

    limits: ResourceList = {}
    """The most that may be used: cpu is throttled at it, memory beyond it is an out-of-memory kill."""
    requests: ResourceList = {}
    """What is reserved on the node when the pod is placed. Equal to limits where only these are given."""
    claims: Annotated[list[ResourceClaim], ListKey("name"), NotYet("dynamic resource allocation is not there")] = []
    """Claims of spec.resourceClaims that the container uses."""
