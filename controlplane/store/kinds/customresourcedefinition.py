from __future__ import annotations

from django.db import models

from controlplane.store import naming
from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds


class CustomResourceDefinition(Resource):
    class Meta(Resource.Meta):
        db_table = "store_customresourcedefinition"
        indexes = [models.Index(fields=["revision", "uid"], name="store_definition_revision")]


STORAGE = Storage(kinds.CUSTOM_RESOURCE_DEFINITION, CustomResourceDefinition, settle=naming.settled)
