"""How quotas are listed: what is used of what there may be, requests and limits apart."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Cell, Column, pick
from schema.base import Wire


def _used(*, limits: bool) -> Cell:
    def cell(wire: Wire) -> str:
        hard, used = pick(wire, "status.hard") or {}, pick(wire, "status.used") or {}
        shown = sorted(name for name in hard if name.startswith("limits.") is limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in shown)

    return cell


COLUMNS = (
    NAME,
    Column("Request", _used(limits=False), description="Used of what may be requested, and of what may be there."),
    Column("Limit", _used(limits=True), description="Used of the limits."),
    AGE,
)
