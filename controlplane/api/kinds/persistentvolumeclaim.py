"""How claims are listed."""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.api.columns import AGE, NAME, Column, pick, text
from schema.base import Wire

_SHORT = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def modes(names: Iterable[str] | None) -> str:
    """``RWO,ROX``."""
    return ",".join(_SHORT.get(name, name) for name in names or ())


def _status(wire: Wire) -> str:
    return "Terminating" if pick(wire, "metadata.deletionTimestamp") else str(pick(wire, "status.phase") or "Pending")


COLUMNS = (
    NAME,
    Column("Status", _status, description="Pending, Bound, or Lost."),
    Column("Volume", text("spec.volumeName"), description="The volume it is bound to."),
    Column("Capacity", text("status.capacity.storage"), description="What its volume holds."),
    Column("Access Modes", lambda wire: modes(pick(wire, "status.accessModes"))),
    Column("StorageClass", text("spec.storageClassName"), description="Its class."),
    Column("VolumeAttributesClass", text("spec.volumeAttributesClassName", "<unset>")),
    AGE,
    Column("VolumeMode", text("spec.volumeMode", "<unset>"), priority=1),
)
