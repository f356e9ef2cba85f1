from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class HorizontalPodAutoscaler(Resource):
    class Meta(Resource.Meta):
        db_table = "store_horizontalpodautoscaler"


STORAGE = Storage(kinds.HORIZONTAL_POD_AUTOSCALER, HorizontalPodAutoscaler)
