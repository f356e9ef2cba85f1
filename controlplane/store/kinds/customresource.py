"""Objects of every custom kind, in one table: what tells the kinds apart are two columns."""

from __future__ import annotations

from functools import lru_cache

from django.db import models

from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema.custom.resource import CustomObject
from schema.kind import Kind


class CustomResource(Resource):
    api_group = Text()
    resource = Text(max_length=63)
    """Plural of the kind."""

    class Meta(Resource.Meta):
        db_table = "store_customresource"
        constraints = [
            models.UniqueConstraint(
                fields=["api_group", "resource", "namespace", "name"], name="store_customresource_key"
            ),
        ]
        indexes = [models.Index(fields=["namespace", "api_group", "resource"], name="store_custom_namespace")]


@lru_cache(maxsize=512)
def storage(kind: Kind) -> Storage:
    """Of a kind in the version in which it is stored."""
    place = {"api_group": kind.group, "resource": kind.plural}
    return Storage(kind, CustomResource, promoted=tuple(place), promote=lambda wire: place, shares=place)


def forgotten(identifier: str) -> Storage:
    """Of a kind whose definition is gone: the history still speaks of its objects."""
    plural, _, group = identifier.partition(".")
    kind = Kind(group=group, version="", kind="", plural=plural, singular=plural, namespaced=True, model=CustomObject)
    return storage(kind)
