"""The group autoscaling."""

from __future__ import annotations

from schema.autoscaling.horizontalpodautoscaler import HorizontalPodAutoscaler
from schema.kind import Kind

HORIZONTAL_POD_AUTOSCALER = Kind(
    group="autoscaling",
    version="v2",
    kind="HorizontalPodAutoscaler",
    plural="horizontalpodautoscalers",
    singular="horizontalpodautoscaler",
    namespaced=True,
    model=HorizontalPodAutoscaler,
    short_names=("hpa",),
    categories=("all",),
    subresources=("status",),
)

ALL: tuple[Kind, ...] = (HORIZONTAL_POD_AUTOSCALER,)
