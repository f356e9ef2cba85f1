from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class Endpoints(Resource):
    class Meta(Resource.Meta):
        db_table = "store_endpoints"


STORAGE = Storage(kinds.ENDPOINTS, Endpoints)
