"""Namespace: active, and held by its objects."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill

LABEL = "kubernetes.io/metadata.name"


def default(wire: Wire) -> None:
    metadata = child(wire, "metadata") or {}
    name, labels = metadata.get("name"), metadata.setdefault("labels", {})
    if isinstance(labels, dict) and isinstance(name, str) and name:
        labels[LABEL] = name
    if not labels:
        metadata.pop("labels", None)
    spec = wire.setdefault("spec", {})
    if isinstance(spec, dict) and "deletionTimestamp" not in metadata:
        spec.setdefault("finalizers", ["kubernetes"])
    status = wire.setdefault("status", {})
    if isinstance(status, dict):
        fill(status, "phase", "Active")
