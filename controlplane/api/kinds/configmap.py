"""How config maps are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, count
from schema.base import Wire


def _entries(wire: Wire) -> int:
    return int(count("data")(wire)) + int(count("binaryData")(wire))


COLUMNS = (NAME, Column("Data", _entries, type="integer", description="How many entries it holds."), AGE)
