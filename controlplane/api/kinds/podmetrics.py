"""How the usage of pods is listed."""

from __future__ import annotations

from controlplane.api.columns import NAME, Column, pick, text
from schema import quantity
from schema.base import Wire


def _cpu(wire: Wire) -> str:
    return quantity.format_cpu(sum(quantity.cpu_millis(pick(each, "usage.cpu") or 0) for each in _containers(wire)))


def _memory(wire: Wire) -> str:
    whole = sum(quantity.bytes_(pick(each, "usage.memory") or 0) for each in _containers(wire))
    return f"{whole // 2**20}Mi"


def _containers(wire: Wire) -> list[Wire]:
    return list(pick(wire, "containers") or ())


COLUMNS = (
    NAME,
    Column("CPU", _cpu, description="Of its containers together, over the window."),
    Column("Memory", _memory, description="The working sets of its containers together."),
    Column("Window", text("window")),
)
