from __future__ import annotations

from typing import Any

from django.db import models

from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire
from schema.core.persistentvolumeclaim import PROTECTION


class PersistentVolumeClaim(Resource):
    """The phase is promoted: a volume that becomes available looks for the claims that wait."""

    phase = Text(blank=True, max_length=16)

    class Meta(Resource.Meta):
        db_table = "store_persistentvolumeclaim"
        indexes = [models.Index(fields=["phase"], name="store_claim_phase")]


def _prepare(wire: Wire) -> None:
    """Protected from its first moment: no pod's claim may go before anybody has looked."""
    metadata = wire["metadata"]
    metadata["finalizers"] = list(dict.fromkeys([*(metadata.get("finalizers") or ()), PROTECTION]))
    wire["status"] = {"phase": "Pending", **(wire.get("status") or {})}


def _promote(wire: Wire) -> dict[str, Any]:
    return {"phase": (wire.get("status") or {}).get("phase") or ""}


STORAGE = Storage(
    kinds.PERSISTENT_VOLUME_CLAIM, PersistentVolumeClaim, promoted=("phase",), promote=_promote, prepare=_prepare
)
