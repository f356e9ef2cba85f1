"""What is kept beside the store: who may be pushing at the moment, secrets of triggers, and what collections have done."""

from __future__ import annotations

from django.db import models


class PushLease(models.Model):
    """Somebody holds a token with which they may push into the repository until then: see `leases`."""

    repository = models.CharField(max_length=255, primary_key=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.repository} until {self.until}"


class TriggerSecret(models.Model):
    """The secret of a Trigger's present address. Only its digest is kept: who reads the database cannot use it."""

    trigger = models.CharField(max_length=36, primary_key=True)
    """Its uid: a later trigger of the same name has another one."""
    namespace = models.CharField(max_length=63)
    name = models.CharField(max_length=253)
    digest = models.BinaryField(max_length=32)
    """SHA-256 of the secret, which is 256 random bits."""
    issued = models.DateTimeField()
    issued_by = models.CharField(max_length=253)

    def __str__(self) -> str:
        return f"secret of trigger {self.namespace}/{self.name}"


class SeenDigest(models.Model):
    """What the tag of a workload's image meant when autoredeploy last acted upon it. Not an annotation of the workload:
    ``kubectl rollout undo`` brings those of the former revision back."""

    workload = models.CharField(max_length=36)
    """Its uid."""
    image = models.CharField(max_length=512)
    """As its container writes it."""
    digest = models.CharField(max_length=71)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workload", "image"], name="registry_seen_digest")]

    def __str__(self) -> str:
        return f"{self.image} of {self.workload}: {self.digest}"


class Collection(models.Model):
    """One garbage collection, and what it freed."""

    started = models.DateTimeField()
    finished = models.DateTimeField(null=True)
    asked_by = models.CharField(max_length=253, blank=True)
    """Who asked for it; empty: it was due."""
    manifests = models.PositiveIntegerField(default=0)
    layers = models.PositiveIntegerField(default=0)
    """Links of repositories to layers and configurations that none of their images has."""
    blobs = models.PositiveIntegerField(default=0)
    freed_bytes = models.BigIntegerField(default=0)
    busy = models.PositiveIntegerField(default=0)
    """Repositories that were left alone because somebody pushed into them."""
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"collection of {self.started}"
