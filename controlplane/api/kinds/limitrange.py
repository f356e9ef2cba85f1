"""How limit ranges are listed."""

from __future__ import annotations

from controlplane.api.columns import NAME, Column, pick

COLUMNS = (
    NAME,
    Column(
        "Created At",
        lambda wire: pick(wire, "metadata.creationTimestamp"),
        format="date",
        description="When it was made.",
    ),
)
