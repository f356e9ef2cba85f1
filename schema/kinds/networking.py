"""The group networking.k8s.io."""

from __future__ import annotations

from schema.kind import Kind
from schema.networking.ingress import Ingress, IngressClass
from schema.networking.networkpolicy import NetworkPolicy

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
NETWORK_POLICY = Kind(
    group="networking.k8s.io",
    version="v1",
    kind="NetworkPolicy",
    plural="networkpolicies",
    singular="networkpolicy",
    namespaced=True,
    model=NetworkPolicy,
    short_names=("netpol",),
)

ALL: tuple[Kind, ...] = (INGRESS, INGRESS_CLASS, NETWORK_POLICY)
