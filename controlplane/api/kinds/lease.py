"""How leases are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, text

COLUMNS = (NAME, Column("Holder", text("spec.holderIdentity")), AGE)
