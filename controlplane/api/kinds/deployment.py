"""How Deployments are listed: ready of those asked for, of the newest revision, available."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column
from controlplane.api.kinds.replicaset import TEMPLATE_COLUMNS, number
from schema.base import Wire

_ready, _wanted = number("status.readyReplicas"), number("spec.replicas")


def _of_all(wire: Wire) -> str:
    return f"{_ready(wire)}/{_wanted(wire)}"


COLUMNS = (
    NAME,
    Column("Ready", _of_all, description="Pods that are ready, of those asked for."),
    Column("Up-to-date", number("status.updatedReplicas"), type="integer", description="Of the newest revision."),
    Column("Available", number("status.availableReplicas"), type="integer", description="Ready for minReadySeconds."),
    AGE,
    *TEMPLATE_COLUMNS,
)
