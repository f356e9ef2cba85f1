"""How StatefulSets are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from controlplane.api.kinds.workload import CONTAINERS, IMAGES
from schema.base import Wire


def _ready(wire: Wire) -> str:
    return f"{pick(wire, 'status.readyReplicas') or 0}/{pick(wire, 'spec.replicas') or 0}"


COLUMNS = (
    NAME,
    Column("Ready", _ready, description="Pods that are ready, of those wanted."),
    AGE,
    CONTAINERS,
    IMAGES,
)
