"""What the control plane remembers of nodes beside their Node objects."""

from __future__ import annotations

from django.db import models


class PodRange(models.Model):
    """The address range of a node's pods, one of each family. Two uniqueness constraints are what keeps ranges apart when nodes
    join at once.

    It outlives the Node object, so that a node that is deleted and joins again has its old range; ranges of nodes that
    are gone are given away when no other is left.
    """

    node = models.CharField(max_length=253)
    family = models.PositiveSmallIntegerField(default=4)
    """4 or 6."""
    cidr = models.CharField(max_length=43, unique=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["node", "family"], name="one_range_of_a_family"),)

    def __str__(self) -> str:
        return f"{self.cidr} of {self.node}"


class ReportPosition(models.Model):
    """The last numbered report of a node that was stored, so that one resent after a crash does not count events twice."""

    node = models.CharField(max_length=253, unique=True)
    agent = models.CharField(max_length=64, blank=True)
    """Which start of the agent the numbers belong to."""
    sequence = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"report {self.sequence} of {self.node}"
