from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class LimitRange(Resource):
    class Meta(Resource.Meta):
        db_table = "store_limitrange"


STORAGE = Storage(kinds.LIMIT_RANGE, LimitRange)
