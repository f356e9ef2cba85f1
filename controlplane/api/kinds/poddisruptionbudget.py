"""How disruption budgets are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text

COLUMNS = (
    NAME,
    Column("Min Available", text("spec.minAvailable", "N/A"), description="How many must stay."),
    Column("Max Unavailable", text("spec.maxUnavailable", "N/A"), description="How many may be missing."),
    Column(
        "Allowed Disruptions",
        lambda wire: pick(wire, "status.disruptionsAllowed") or 0,
        type="integer",
        description="How many may be evicted now.",
    ),
    AGE,
)
