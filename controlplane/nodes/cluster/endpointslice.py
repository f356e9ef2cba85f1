"""Endpoint slices: where services lead."""

from __future__ import annotations

from schema.base import Wire
from schema.discovery.endpointslice import SERVICE_NAME_LABEL

_ENDPOINT = ("addresses", "conditions", "hostname", "nodeName", "zone")


def project(one: Wire) -> Wire | None:
    """None for one that belongs to no service."""
    metadata = one["metadata"]
    service = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    if not service:
        return None
    return {
        "metadata": {"labels": {SERVICE_NAME_LABEL: service}},
        "addressType": one["addressType"],
        "endpoints": [_endpoint(each) for each in one.get("endpoints") or ()],
        "ports": one.get("ports") or [],
    }


def _endpoint(each: Wire) -> Wire:
    reduced = {key: each[key] for key in _ENDPOINT if each.get(key)}
    reference = each.get("targetRef") or {}
    if reference.get("kind") == "Pod":  # reverse records of headless services name the pod
        reduced["targetRef"] = {"kind": "Pod", "namespace": reference.get("namespace"), "name": reference.get("name")}
    return reduced
