"""How repositories are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, since, text
from schema.base import Wire

_UNITS = ("B", "KB", "MB", "GB", "TB")


def size(wire: Wire) -> str:
    """As image tools write it: 7.04MB."""
    amount = float(pick(wire, "status.sizeBytes") or 0)
    for unit in _UNITS[:-1]:
        if amount < 1000:
            return f"{amount:.3g}{unit}"
        amount /= 1000
    return f"{amount:.3g}{_UNITS[-1]}"


def _pushed(wire: Wire) -> str:
    return since(pick(wire, "status.lastPushed"))


COLUMNS = (
    NAME,
    Column("Path", text("spec.path"), description="Its name in the registry."),
    Column(
        "Tags", lambda wire: pick(wire, "status.tagCount") or 0, type="integer", description="How many tags it has."
    ),
    Column("Size", size, description="Of all that its tags need; shared layers count once."),
    Column("Last-Tag", text("status.lastTag", "<none>"), description="The tag that was pushed last."),
    Column("Pushed", _pushed, description="How long ago that was."),
    AGE,
)
