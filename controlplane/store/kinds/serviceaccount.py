from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ServiceAccount(Resource):
    class Meta(Resource.Meta):
        db_table = "store_serviceaccount"


STORAGE = Storage(kinds.SERVICE_ACCOUNT, ServiceAccount)
