"""PodMetrics: what the containers of a pod use."""

from __future__ import annotations

from schema.base import ApiModel
from schema.core.resources import ResourceList
from schema.meta import Object, Time


class ContainerMetrics(ApiModel):
    """What one container uses."""

    name: str
    """Name of the container."""
    usage: ResourceList = {}
    """cpu (a rate) and memory (the working set)."""


class PodMetrics(Object):
    """What the containers of a pod use, over a moment that has just passed."""

    api_version: str = "metrics.k8s.io/v1beta1"
    kind: str = "PodMetrics"
    timestamp: Time
    """The end of the moment."""
    window: str
    """How long the moment was: 10s."""
    containers: list[ContainerMetrics] = []
    """Of those that run."""
