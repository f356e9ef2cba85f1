"""How secrets are listed: never their values."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, count, text

COLUMNS = (
    NAME,
    Column("Type", text("type", "Opaque")),
    Column("Data", count("data"), type="integer", description="How many entries it holds."),
    AGE,
)
