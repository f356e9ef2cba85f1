"""How volumes are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, text
from controlplane.api.kinds.persistentvolumeclaim import modes
from schema.base import Wire


def _status(wire: Wire) -> str:
    return "Terminating" if pick(wire, "metadata.deletionTimestamp") else str(pick(wire, "status.phase") or "Pending")


def _claim(wire: Wire) -> str:
    claim = pick(wire, "spec.claimRef")
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


COLUMNS = (
    NAME,
    Column("Capacity", text("spec.capacity.storage"), description="What it holds."),
    Column("Access Modes", lambda wire: modes(pick(wire, "spec.accessModes"))),
    Column("Reclaim Policy", text("spec.persistentVolumeReclaimPolicy")),
    Column("Status", _status, description="Available, Bound, Released, or Failed."),
    Column("Claim", _claim, description="The claim it is bound to, or kept for."),
    Column("StorageClass", text("spec.storageClassName"), description="Its class."),
    Column("VolumeAttributesClass", text("spec.volumeAttributesClassName", "<unset>")),
    Column("Reason", text("status.reason"), description="Why it could not be reclaimed."),
    AGE,
    Column("VolumeMode", text("spec.volumeMode", "<unset>"), priority=1),
)
