"""Services: what nodes forward, and what DNS answers."""

from __future__ import annotations

from controlplane.nodes.cluster.node import PUBLISHED
from schema.base import Wire

_SPEC = (
    "type",
    "ports",
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "sessionAffinity",
    "sessionAffinityConfig",
    "externalTrafficPolicy",
    "internalTrafficPolicy",
    "trafficDistribution",
    "healthCheckNodePort",
    "loadBalancerSourceRanges",
    "publishNotReadyAddresses",
    "ipFamilies",
)


def project(service: Wire) -> Wire | None:
    metadata, spec = service["metadata"], service.get("spec") or {}
    annotations = metadata.get("annotations") or {}
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return {
        "metadata": {
            "uid": metadata["uid"],
            "annotations": {key: value for key, value in annotations.items() if key.startswith(PUBLISHED)},
        },
        "spec": {key: spec[key] for key in _SPEC if spec.get(key) not in (None, "", [], {})},
        "status": {"ingress": [each["ip"] for each in ingress if each.get("ip")]},
    }
