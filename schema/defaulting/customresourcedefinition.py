"""CustomResourceDefinition: the names that follow from others, and no conversion."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import fill


def default(wire: Wire) -> None:
    spec = wire.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and isinstance(names.get("kind"), str) and names["kind"]:
        fill(names, "singular", names["kind"].lower())
        fill(names, "listKind", f"{names['kind']}List")
    if "conversion" not in spec:
        spec["conversion"] = {"strategy": "None"}
