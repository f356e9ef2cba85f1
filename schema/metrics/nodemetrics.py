"""NodeMetrics: what a node uses."""

from __future__ import annotations

from schema.core.resources import ResourceList
from schema.meta import Object, Time


class NodeMetrics(Object):
    """What a node uses, over a moment that has just passed."""

    api_version: str = "metrics.k8s.io/v1beta1"
    kind: str = "NodeMetrics"
    timestamp: Time
    """The end of the moment."""
    window: str
    """How long the moment was: 10s."""
    usage: ResourceList = {}
    """cpu (a rate) and memory (what cannot be given back at once)."""
