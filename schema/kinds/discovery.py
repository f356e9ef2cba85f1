"""The group discovery.k8s.io."""

from __future__ import annotations

from schema.discovery.endpointslice import EndpointSlice
from schema.kind import Kind

ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io",
    version="v1",
    kind="EndpointSlice",
    plural="endpointslices",
    singular="endpointslice",
    namespaced=True,
    model=EndpointSlice,
)

ALL: tuple[Kind, ...] = (ENDPOINT_SLICE,)
