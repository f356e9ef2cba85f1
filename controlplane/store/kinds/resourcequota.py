from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ResourceQuota(Resource):
    class Meta(Resource.Meta):
        db_table = "store_resourcequota"


STORAGE = Storage(kinds.RESOURCE_QUOTA, ResourceQuota)
