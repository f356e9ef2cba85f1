from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class Deployment(Resource):
    class Meta(Resource.Meta):
        db_table = "store_deployment"


STORAGE = Storage(kinds.DEPLOYMENT, Deployment)
