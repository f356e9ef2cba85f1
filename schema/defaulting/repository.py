"""Repository: named as its object, unless it says otherwise."""

from __future__ import annotations

from schema.base import Wire


def default(wire: Wire) -> None:
    metadata, spec = wire.get("metadata"), wire.setdefault("spec", {})
    if not isinstance(metadata, dict) or not isinstance(spec, dict) or spec.get("path"):
        return
    namespace, name = metadata.get("namespace"), metadata.get("name")
    if isinstance(namespace, str) and isinstance(name, str) and namespace and name:
        spec["path"] = f"{namespace}/{name}"
