"""Pods: where they are reached, and what policies choose them by.

One on its node's network has no address of its own, and one that has ended has none any more: neither is of interest. What
changes in a pod's life is mostly its status, of which only the addresses are kept, so a pod is told of once.
"""

from __future__ import annotations

from schema.base import Wire

_ENDED = ("Succeeded", "Failed")


def project(pod: Wire) -> Wire | None:
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    addresses = status.get("podIPs") or ([{"ip": status["podIP"]}] if status.get("podIP") else [])
    if spec.get("hostNetwork") or status.get("phase") in _ENDED or not addresses:
        return None
    ports = [
        {"name": port["name"], "containerPort": port["containerPort"], "protocol": port.get("protocol") or "TCP"}
        for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
        for port in container.get("ports") or ()
        if port.get("name")
    ]
    return {
        "metadata": {"labels": metadata.get("labels") or {}},
        "spec": {"nodeName": spec.get("nodeName", ""), **({"ports": ports} if ports else {})},
        "status": {"podIPs": addresses},
    }
