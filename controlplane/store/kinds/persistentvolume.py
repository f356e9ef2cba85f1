from __future__ import annotations

from typing import Any

from django.db import models

from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire
from schema.core.persistentvolume import PROTECTION


class PersistentVolume(Resource):
    """Promoted is what is asked by: whose it is, and the one node it is on."""

    claim = Text(blank=True, max_length=320)
    """``namespace/name`` of its claimRef."""
    node_name = Text(blank=True)
    """Host name of the only node it can be reached from; empty where there is no such one."""
    phase = Text(blank=True, max_length=16)

    class Meta(Resource.Meta):
        db_table = "store_persistentvolume"
        indexes = [
            models.Index(fields=["claim"], name="store_volume_claim"),
            models.Index(fields=["node_name"], name="store_volume_node"),
            models.Index(fields=["phase"], name="store_volume_phase"),
        ]


def _prepare(wire: Wire) -> None:
    metadata = wire["metadata"]
    metadata["finalizers"] = list(dict.fromkeys([*(metadata.get("finalizers") or ()), PROTECTION]))
    wire["status"] = {"phase": "Pending", **(wire.get("status") or {})}


def _promote(wire: Wire) -> dict[str, Any]:
    claim = (wire.get("spec") or {}).get("claimRef") or {}
    return {
        "claim": f"{claim.get('namespace', '')}/{claim['name']}" if claim.get("name") else "",
        "node_name": node_of(wire),
        "phase": (wire.get("status") or {}).get("phase") or "",
    }


def node_of(volume: Wire) -> str:
    """The host name of the one node that a volume's affinity allows; empty where it allows others."""
    affinity = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") or {}
    terms: list[Wire] = affinity.get("nodeSelectorTerms") or []
    if len(terms) != 1:
        return ""
    for one in terms[0].get("matchExpressions") or ():
        values: list[str] = one.get("values") or []
        if one.get("key") == "kubernetes.io/hostname" and one.get("operator") == "In" and len(values) == 1:
            return str(values[0])
    return ""


STORAGE = Storage(
    kinds.PERSISTENT_VOLUME,
    PersistentVolume,
    promoted=("claim", "node_name", "phase"),
    promote=_promote,
    prepare=_prepare,
)
