from __future__ import annotations

from typing import Any

from django.db import models

from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire


class Event(Resource):
    """What ``kubectl describe`` asks by is promoted: thousands of events, few about one object."""

    regarding_uid = Text(blank=True)
    """Not always a uid: node events carry the node's name here."""
    regarding_name = Text(blank=True)

    class Meta(Resource.Meta):
        db_table = "store_event"
        indexes = [
            models.Index(fields=["regarding_name", "namespace"], name="store_event_regarding"),
            models.Index(fields=["regarding_uid"], name="store_event_regarding_uid"),
        ]


def _promote(wire: Wire) -> dict[str, Any]:
    regarding = wire.get("involvedObject") or {}
    return {"regarding_uid": regarding.get("uid") or "", "regarding_name": regarding.get("name") or ""}


STORAGE = Storage(
    kinds.EVENT,
    Event,
    promoted=("regarding_uid", "regarding_name"),
    promote=_promote,
    field_columns={"involvedObject.uid": "regarding_uid", "involvedObject.name": "regarding_name"},
)
