"""Credentials and grants. Users and groups are Django's own."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class Token(models.Model):
    """A bearer token of a user or of a node. Only its digest is kept: who reads the database cannot use it."""

    name = models.CharField(max_length=253)
    """Unique for a user: issuing under the same name replaces the token."""
    digest = models.BinaryField(max_length=32, unique=True)
    """SHA-256 of the token. A plain hash is enough, because the token holds 256 random bits and cannot be guessed."""
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="tokens")
    node = models.CharField(max_length=253, blank=True)
    """A node has one credential, and for the overlap of a rotation two."""
    node_uid = models.CharField(max_length=36, blank=True)
    """Of the Node object that this credential registered: once that is gone the credential opens no session any more."""
    created = models.DateTimeField(auto_now_add=True)
    expires = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["node"], condition=~models.Q(node=""), name="token_by_node")]
        constraints = [
            models.CheckConstraint(
                name="token_of_user_or_node",
                condition=models.Q(user__isnull=False, node="") | (models.Q(user__isnull=True) & ~models.Q(node="")),
            ),
            models.UniqueConstraint(
                fields=["user", "name"], condition=models.Q(user__isnull=False), name="token_name_per_user"
            ),
        ]

    def __str__(self) -> str:
        return f"token {self.name} of {self.owner}"

    @property
    def owner(self) -> str:
        return f"node {self.node}" if self.node else f"user {self.user}"


class JoinToken(models.Model):
    """Lets hosts join: each use gives one node its credential. Shown once as ``<id>.<secret>``."""

    id = models.CharField(primary_key=True, max_length=16)
    """Public: it names the token in lists and says which digest to compare."""
    digest = models.BinaryField(max_length=32)
    """SHA-256 of the secret, which is 256 random bits."""
    description = models.CharField(max_length=253, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=253, blank=True)
    expires = models.DateTimeField()
    revoked = models.BooleanField(default=False)
    """Kept until it would have expired, so that a host that still tries is told why."""
    used = models.PositiveIntegerField(default=0)
    uses = models.PositiveIntegerField(null=True)
    """How many hosts may join with it; None: any number."""

    def __str__(self) -> str:
        return f"join token {self.id}"


class Grant(models.Model):
    """A role that a user or a group holds in one namespace, or everywhere."""

    class Role(models.TextChoices):
        VIEW = "view"
        EDIT = "edit"
        ADMIN = "admin"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="grants")
    group = models.ForeignKey(Group, null=True, on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=8, choices=Role.choices)
    namespace = models.CharField(max_length=63, blank=True)
    """Empty: the whole cluster."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_to_user_or_group",
                condition=models.Q(user__isnull=False, group__isnull=True)
                | models.Q(user__isnull=True, group__isnull=False),
            ),
            models.CheckConstraint(name="grant_of_known_role", condition=models.Q(role__in=["view", "edit", "admin"])),
            models.UniqueConstraint(
                fields=["user", "namespace"], condition=models.Q(user__isnull=False), name="grant_per_user_namespace"
            ),
            models.UniqueConstraint(
                fields=["group", "namespace"], condition=models.Q(group__isnull=False), name="grant_per_group_namespace"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} on {self.namespace or 'the cluster'} for {self.user or self.group}"
