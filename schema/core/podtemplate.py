"""PodTemplateSpec: what the pods of a workload are made from."""

from __future__ import annotations

from pydantic import Field

from schema.base import ApiModel
from schema.core.pod import PodSpec
from schema.meta import ObjectMeta


class PodTemplateSpec(ApiModel):
    """The pods that a workload makes."""

    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    """Labels and annotations of the pods; the workload's selector must match the labels."""
    spec: PodSpec
    """What the pods should be."""
