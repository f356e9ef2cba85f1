"""The group networking.k8s.io."""

from __future__ import annotations

from schema.kind import Kind
from schema.networking.ingress import Ingress, IngressClass

INGRESS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="Ingress",
    plural="ingresses",
    singular="ingress",
    namespaced=True,
    model=Ingress,
    short_names=("ing",),
    subresources=("status",),
)
INGRESS_CLASS = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="IngressClass",
    plural="ingressclasses",
    singular="ingressclass",
    namespaced=False,
    model=IngressClass,
)

ALL: tuple[Kind, ...] = (INGRESS, INGRESS_CLASS)
