from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ConfigMap(Resource):
    class Meta(Resource.Meta):
        db_table = "store_configmap"


STORAGE = Storage(kinds.CONFIG_MAP, ConfigMap)
