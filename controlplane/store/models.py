"""The tables beside the kinds: the history, and what makes labels and owners findable.

Django finds the kinds' own tables through the import at the end.
"""

from __future__ import annotations

from django.db import models

from controlplane.store.resource import Resource, Serial, Text


class Revision(models.Model):
    """The one row that every writer takes first: its lock puts all writes of the cluster in one order."""

    id = Serial(primary_key=True)
    value = models.BigIntegerField()
    """The number of the newest change. It grows by one per change and never skips."""
    compacted = models.BigIntegerField()
    """Changes up to this number may be gone; a watch must start at it or later."""


class Change(models.Model):
    """What happened at one revision: the object as it was then, and what it replaced."""

    revision = Serial(primary_key=True)
    kind = Text(max_length=128)
    namespace = Text(blank=True, max_length=63)
    name = Text()
    uid = Text(max_length=36)
    type = Text(max_length=8)
    object = models.TextField()
    previous = models.TextField(blank=True)
    """Labels and selectable fields before, where they differ: a watch by selector must see objects leave."""
    replaces = models.BigIntegerField()
    """The revision of the same object before this one; 0 for a new object. Compaction and old pages go by it."""
    at = models.FloatField()
    """Seconds since the epoch."""

    class Meta:
        indexes = [models.Index(fields=["at"], name="store_change_at")]


class Label(models.Model):
    """One label of one object of any kind."""

    pk = models.CompositePrimaryKey("uid", "key")
    uid = Text(max_length=36)
    key = Text(max_length=317)
    value = Text(blank=True, max_length=63)
    kind = Text(max_length=128)

    class Meta:
        indexes = [models.Index(fields=["kind", "key", "value", "uid"], name="store_label_value")]


class Owner(models.Model):
    """One ownerReference of one object of any kind: garbage collection goes from the owner to its dependents."""

    pk = models.CompositePrimaryKey("uid", "owner_uid")
    uid = Text(max_length=36)
    owner_uid = Text(max_length=36)
    kind = Text(max_length=128)

    class Meta:
        indexes = [models.Index(fields=["owner_uid", "kind", "uid"], name="store_owner_dependents")]


class Claim(models.Model):
    """Something that one object of the cluster has and no other may have: see `claims`."""

    pk = models.CompositePrimaryKey("pool", "value")
    pool = Text(max_length=32)
    value = Text(max_length=64)
    kind = Text(max_length=128)
    namespace = Text(blank=True, max_length=63)
    name = Text()
    uid = Text(max_length=36)


class Process(models.Model):
    """A web process, and when it last said that it lives (`processes`). Not part of the history."""

    id = Text(primary_key=True, max_length=36)
    renewed_at = models.FloatField()
    """Seconds since the epoch."""


from controlplane.store import kinds  # noqa: E402

__all__ = ["Change", "Claim", "Label", "Owner", "Process", "Resource", "Revision", "kinds"]
