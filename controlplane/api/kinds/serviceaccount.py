"""How service accounts are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, count

COLUMNS = (NAME, Column("Secrets", count("secrets"), type="integer"), AGE)
