"""The table that every kind has, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models

_BYTEWISE = "BINARY" if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") else "C"

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
    _BigIntegerField = models.BigIntegerField[int, int]
else:
    _CharField = models.CharField
    _BigIntegerField = models.BigIntegerField


class Serial(_BigIntegerField):
    """A primary key of 64 bits that the writer numbers. On SQLite, where every integer has 64 bits, only the type
    ``integer`` makes it the row's own address instead of one more index."""

    def db_type(self, connection: Any) -> str | None:
        return "integer" if connection.vendor == "sqlite" else super().db_type(connection)


class Text(_CharField):
    """A word the machine reads: compared byte by byte, so that both databases order pages the same way."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["db_collation"] = _BYTEWISE
        kwargs.setdefault("max_length", 253)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        # The collation's name differs between databases; leaving it out keeps one set of migrations for both.
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_collation", None)
        return name, path, args, kwargs


class Resource(models.Model):
    """One object. JSON is kept as text, exactly as it came: key order, ``\\u0000`` and long numbers survive.

    ``labels`` stand apart from the rest of the metadata because they are read without it. For kinds without a spec
    (ConfigMap, Secret, Event, ServiceAccount) ``spec`` holds the top-level content. A column is promoted by a
    subclass only where a query needs it.
    """

    uid = Text(primary_key=True, max_length=36)
    namespace = Text(blank=True, max_length=63)
    name = Text()
    revision = models.BigIntegerField()
    generation = models.BigIntegerField()
    created_at = Text(max_length=20)
    deleted_at = Text(blank=True, max_length=20)
    """Wire format; empty while nobody has asked for deletion."""
    grace_seconds = models.BigIntegerField(null=True)
    labels = models.TextField()
    metadata = models.TextField()
    """Annotations, finalizers, ownerReferences and whatever else metadata holds that has no column."""
    spec = models.TextField()
    status = models.TextField(blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["namespace", "name"], name="%(app_label)s_%(class)s_key"),
        ]
