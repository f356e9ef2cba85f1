from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class ControllerRevision(Resource):
    class Meta(Resource.Meta):
        db_table = "store_controllerrevision"


STORAGE = Storage(kinds.CONTROLLER_REVISION, ControllerRevision)
