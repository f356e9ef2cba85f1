from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class Image(Resource):
    class Meta(Resource.Meta):
        db_table = "store_image"


STORAGE = Storage(kinds.IMAGE, Image)
