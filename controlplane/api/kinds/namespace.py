"""How namespaces are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, text

COLUMNS = (NAME, Column("Status", text("status.phase"), description="Active or Terminating."), AGE)
