from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ReplicationController(Resource):
    class Meta(Resource.Meta):
        db_table = "store_replicationcontroller"


STORAGE = Storage(kinds.REPLICATION_CONTROLLER, ReplicationController)
