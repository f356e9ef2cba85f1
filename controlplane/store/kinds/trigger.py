from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class Trigger(Resource):
    class Meta(Resource.Meta):
        db_table = "store_trigger"


STORAGE = Storage(kinds.TRIGGER, Trigger)
