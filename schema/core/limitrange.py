"""LimitRange: what one pod or container of a namespace may ask for, and what it asks for if it says nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schema.base import ApiModel, OneOf
from schema.core.resources import ResourceList
from schema.meta import Object


class LimitRangeItem(ApiModel):
    """Bounds and defaults for one sort of thing."""

    type: Annotated[str, OneOf("Pod", "Container", "PersistentVolumeClaim")]
    """Pod, Container or PersistentVolumeClaim."""
    max: ResourceList = {}
    """The most that may be asked for."""
    min: ResourceList = {}
    """The least that must be asked for."""
    default: ResourceList = {}
    """Limits of containers that name none."""
    default_request: ResourceList = {}
    """Requests of containers that name none."""
    max_limit_request_ratio: ResourceList = {}
    """How many times the request the limit may be."""


class LimitRangeSpec(ApiModel):
    """Bounds and defaults."""

    limits: list[LimitRangeItem] = []
    """One entry for each sort of thing."""


class LimitRange(Object):
    """Bounds and defaults for what the containers of a namespace ask for."""

    api_version: str = "v1"
    kind: str = "LimitRange"
    spec: LimitRangeSpec = Field(default_factory=LimitRangeSpec)
    """The bounds and defaults."""
