from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class NetworkPolicy(Resource):
    class Meta(Resource.Meta):
        db_table = "store_networkpolicy"


STORAGE = Storage(kinds.NETWORK_POLICY, NetworkPolicy)
