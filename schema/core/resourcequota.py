"""ResourceQuota: what a namespace may use in all."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from schema.base import ApiModel, OneOf
from schema.core.resources import ResourceList
from schema.meta import Object

SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity")


class ScopedResourceSelectorRequirement(ApiModel):
    """One condition on what is counted."""

    scope_name: Annotated[str, OneOf(*SCOPES)]
    """Terminating, NotTerminating, BestEffort, NotBestEffort, PriorityClass or CrossNamespacePodAffinity."""
    operator: Annotated[str, OneOf("In", "NotIn", "Exists", "DoesNotExist")]
    """In, NotIn, Exists or DoesNotExist; all scopes but PriorityClass know only Exists."""
    values: list[str] = []
    """For In and NotIn the values meant; must be empty for the others."""


class ScopeSelector(ApiModel):
    """Conditions on what is counted: all must hold."""

    map_type: ClassVar[Literal["granular", "atomic"]] = "atomic"

    match_expressions: list[ScopedResourceSelectorRequirement] = []
    """The conditions."""


class ResourceQuotaSpec(ApiModel):
    """The limits of a namespace."""

    hard: ResourceList = {}
    """The most there may be, by resource: pods, requests.cpu, limits.memory, count/configmaps, ..."""
    scopes: list[str] = []
    """Count only what is in all of these scopes. Cannot be changed."""
    scope_selector: ScopeSelector | None = None
    """Count only what meets these conditions. Cannot be changed."""


class ResourceQuotaStatus(ApiModel):
    """What is used of the limits."""

    hard: ResourceList = {}
    """The limits that used was counted for."""
    used: ResourceList = {}
    """What there is, by resource."""


class ResourceQuota(Object):
    """What the objects of a namespace may use in all."""

    api_version: str = "v1"
    kind: str = "ResourceQuota"
    spec: ResourceQuotaSpec = Field(default_factory=ResourceQuotaSpec)
    """The limits."""
    status: ResourceQuotaStatus = Field(default_factory=ResourceQuotaStatus)
    """What is used of them."""
