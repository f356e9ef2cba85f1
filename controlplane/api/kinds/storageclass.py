"""How storage classes are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, Column, pick, text
from schema.base import Wire
from schema.storage.storageclass import IS_DEFAULT


def _name(wire: Wire) -> str:
    default = (pick(wire, "metadata.annotations") or {}).get(IS_DEFAULT) == "true"
    return f"{wire['metadata']['name']} (default)" if default else str(wire["metadata"]["name"])


COLUMNS = (
    Column("Name", _name, format="name", description="Its name; the default class is marked."),
    Column("Provisioner", text("provisioner"), description="Who makes its volumes."),
    Column("ReclaimPolicy", text("reclaimPolicy"), description="What becomes of a volume whose claim is deleted."),
    Column("VolumeBindingMode", text("volumeBindingMode"), description="When a claim gets its volume."),
    Column(
        "AllowVolumeExpansion",
        lambda wire: bool(wire.get("allowVolumeExpansion")),
        type="boolean",
        description="Whether a claim may ask for more later.",
    ),
    AGE,
)
