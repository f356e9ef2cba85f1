"""The group metrics.k8s.io. Its kinds are read only and in no store, so they are not among `ALL`."""

from __future__ import annotations

from schema.kind import Kind
from schema.metrics.nodemetrics import NodeMetrics
from schema.metrics.podmetrics import PodMetrics

NODE_METRICS = Kind(
    group="metrics.k8s.io",
    version="v1beta1",
    kind="NodeMetrics",
    plural="nodes",
    singular="nodemetrics",
    namespaced=False,
    model=NodeMetrics,
    verbs=("get", "list"),
)
POD_METRICS = Kind(
    group="metrics.k8s.io",
    version="v1beta1",
    kind="PodMetrics",
    plural="pods",
    singular="podmetrics",
    namespaced=True,
    model=PodMetrics,
    verbs=("get", "list"),
)

DERIVED: tuple[Kind, ...] = (NODE_METRICS, POD_METRICS)
