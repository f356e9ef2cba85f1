"""The pattern from which other kinds make pods."""

from __future__ import annotations

from pydantic import Field

from schema.base import ApiModel
from schema.core.pod import PodSpec
from schema.meta import ObjectMeta


class PodTemplateSpec(ApiModel):
    """What a pod made from this should be."""

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    """Labels and annotations of the pods; everything else of the metadata is ignored."""
    spec: PodSpec
    """What the pods should be."""
