"""How the usage of nodes is listed."""

from __future__ import annotations

from controlplane.api.columns import NAME, Column, text

COLUMNS = (
    NAME,
    Column("CPU", text("usage.cpu"), description="Of one processor, over the window."),
    Column("Memory", text("usage.memory"), description="What cannot be given back at once."),
    Column("Window", text("window")),
)
