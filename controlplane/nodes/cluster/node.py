"""Nodes: where they are, which addresses their pods have, and what their agents have published for the others."""

from __future__ import annotations

from schema.base import Wire

PUBLISHED = "slipway.dev/"
"""Annotations of this prefix are for other agents to read."""


def project(node: Wire) -> Wire | None:
    metadata, spec, status = node["metadata"], node.get("spec") or {}, node.get("status") or {}
    annotations = metadata.get("annotations") or {}
    return {
        "metadata": {
            "uid": metadata["uid"],
            "labels": metadata.get("labels") or {},
            "annotations": {key: value for key, value in annotations.items() if key.startswith(PUBLISHED)},
        },
        "spec": {key: spec[key] for key in ("podCIDR", "podCIDRs") if key in spec},
        "status": {
            "addresses": status.get("addresses") or [],
            **({"imagePeer": status["imagePeer"]} if status.get("imagePeer") else {}),
            **({"wireguard": status["wireguard"]} if status.get("wireguard") else {}),
        },
    }
