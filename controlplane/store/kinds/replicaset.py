from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ReplicaSet(Resource):
    class Meta(Resource.Meta):
        db_table = "store_replicaset"


STORAGE = Storage(kinds.REPLICA_SET, ReplicaSet)
