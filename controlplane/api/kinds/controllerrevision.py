"""How revisions are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from schema.base import Wire


def _controller(wire: Wire) -> str:
    for owner in pick(wire, "metadata.ownerReferences") or ():
        if owner.get("controller"):
            group = str(owner.get("apiVersion", "")).partition("/")[0]
            return f"{str(owner.get('kind', '')).lower()}.{group}/{owner.get('name')}"
    return "<none>"


COLUMNS = (
    NAME,
    Column("Controller", _controller, description="Whose template it holds."),
    Column("Revision", lambda wire: int(wire.get("revision") or 0), type="integer", description="Its number."),
    AGE,
)
