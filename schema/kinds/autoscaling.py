"""The group autoscaling."""

from __future__ import annotations

from dataclasses import replace

from schema.autoscaling import version1
from schema.autoscaling.horizontalpodautoscaler import HorizontalPodAutoscaler
from schema.kind import Kind, Version

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

HORIZONTAL_POD_AUTOSCALER_V1 = Version(
    kind=replace(HORIZONTAL_POD_AUTOSCALER, version="v1", model=version1.HorizontalPodAutoscaler),
    stored=HORIZONTAL_POD_AUTOSCALER,
    from_stored=version1.from_stored,
    to_stored=version1.to_stored,
)

VERSIONS: tuple[Version, ...] = (HORIZONTAL_POD_AUTOSCALER_V1,)
ALL: tuple[Kind, ...] = (HORIZONTAL_POD_AUTOSCALER,)
