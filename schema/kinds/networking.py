"""The group networking.k8s.io."""

from __future__ import annotations

from schema.kind import Kind
from schema.networking.networkpolicy import NetworkPolicy

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

ALL: tuple[Kind, ...] = (NETWORK_POLICY,)
