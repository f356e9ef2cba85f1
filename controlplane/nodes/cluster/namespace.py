"""Namespaces: their labels, by which policies choose them, and the keys that must have signed their images."""

from __future__ import annotations

from schema import imagepolicy
from schema.base import Wire


def project(namespace: Wire) -> Wire | None:
    metadata: Wire = {"labels": namespace["metadata"].get("labels") or {}}
    if keys := imagepolicy.of(namespace["metadata"].get("annotations") or {}).keys:
        metadata["annotations"] = {imagepolicy.KEYS: keys}
    return {"metadata": metadata}
