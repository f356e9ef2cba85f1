"""How priority classes are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire


def _default(wire: Wire) -> bool:
    return bool(pick(wire, "globalDefault"))


COLUMNS = (
    NAME,
    Column("Value", lambda wire: pick(wire, "value") or 0, type="integer", description="Higher is placed first."),
    Column("Global-Default", _default, type="boolean", description="The class of pods that name none."),
    AGE,
    Column("PreemptionPolicy", text("preemptionPolicy", "PreemptLowerPriority"), priority=1),
)
