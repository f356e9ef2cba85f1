from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class PodDisruptionBudget(Resource):
    class Meta(Resource.Meta):
        db_table = "store_poddisruptionbudget"


STORAGE = Storage(kinds.POD_DISRUPTION_BUDGET, PodDisruptionBudget)
