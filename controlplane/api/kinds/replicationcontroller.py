"""Listed as ReplicaSets are."""

from __future__ import annotations

from controlplane.api.kinds.replicaset import COLUMNS

__all__ = ["COLUMNS"]
