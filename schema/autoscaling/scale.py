"""Scale: how many replicas a workload has and should have, whatever its kind (the subresource ``scale``)."""

from __future__ import annotations

from pydantic import Field

from schema.base import ApiModel
from schema.meta import Int32, Natural32, Object


class ScaleSpec(ApiModel):
    """What is asked for."""

    replicas: Natural32 = 0
    """How many replicas there should be."""


class ScaleStatus(ApiModel):
    """What there is."""

    replicas: Int32 = 0
    """How many replicas there are."""
    selector: str = ""
    """Which pods are meant, as a query over labels."""


class Scale(Object):
    """How many replicas a workload should have, and has."""

    api_version: str = "autoscaling/v1"
    kind: str = "Scale"
    spec: ScaleSpec = Field(default_factory=ScaleSpec)
    """What is asked for."""
    status: ScaleStatus = Field(default_factory=ScaleStatus)
    """What there is."""
