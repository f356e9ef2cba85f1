"""Counts for `metrics`, each one statement."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count

from controlplane.api import columns, process
from controlplane.store import kinds as storages
from controlplane.store import objects
from controlplane.store.kinds.pod import Pod
from schema import kinds
from schema.base import Wire


@dataclass(frozen=True)
class Census:
    objects: dict[str, int]
    pods_by_phase: dict[str, int]
    nodes_by_ready: dict[str, int]
    """Keys are the words of the condition: True, False, Unknown."""
    revision: int
    feed_revision: int | None
    """None where no feed runs."""


def take() -> Census:
    phases = dict(Pod.objects.values_list("phase").annotate(Count("uid")).order_by("phase"))
    nodes = objects.list_objects(kinds.NODE).items
    return Census(
        objects={storage.id: storage.query().count() for storage in storages.everything()},
        pods_by_phase={phase or "Pending": number for phase, number in phases.items()},
        nodes_by_ready=dict(Counter(_ready(node) for node in nodes)),
        revision=objects.current_revision(),
        feed_revision=process.feed.revision if process.feed is not None else None,
    )


def _ready(node: Wire) -> str:
    conditions = columns.pick(node, "status.conditions") or ()
    found = (str(each.get("status")) for each in conditions if each.get("type") == "Ready")
    return next(found, "Unknown")
