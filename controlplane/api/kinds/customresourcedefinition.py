"""How definitions of custom kinds are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire


def _versions(wire: Wire) -> str:
    return ",".join(str(each["name"]) for each in pick(wire, "spec.versions") or () if each.get("served"))


def _established(wire: Wire) -> str:
    conditions = pick(wire, "status.conditions") or ()
    return next((str(each["status"]) for each in conditions if each["type"] == "Established"), "Unknown")


COLUMNS = (
    NAME,
    Column("Kind", text("spec.names.kind"), description="The kind of its objects."),
    Column("Scope", text("spec.scope"), description="Whether its objects are in namespaces."),
    Column("Versions", _versions, description="The versions that are served."),
    Column("Established", _established, description="Whether it is served."),
    AGE,
)
