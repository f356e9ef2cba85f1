"""Storage: how volumes are used, and what becomes of them, where nobody says."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill
from schema.storage.storageclass import FIRST_CONSUMER, PROVISIONER


def default_volume(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is not None:
        fill(spec, "persistentVolumeReclaimPolicy", "Retain")
        fill(spec, "volumeMode", "Filesystem")


def default_claim(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is not None:
        default_claim_spec(spec)


def default_claim_spec(spec: Wire) -> None:
    """Also for the claim templates of other kinds."""
    fill(spec, "volumeMode", "Filesystem")


def default_class(wire: Wire) -> None:
    fill(wire, "reclaimPolicy", "Delete")
    fill(wire, "volumeBindingMode", FIRST_CONSUMER if wire.get("provisioner") == PROVISIONER else "Immediate")
