"""The group coordination.k8s.io."""

from __future__ import annotations

from schema.coordination import Lease
from schema.kind import Kind

LEASE = Kind(
    group="coordination.k8s.io",
    version="v1",
    kind="Lease",
    plural="leases",
    singular="lease",
    namespaced=True,
    model=Lease,
)

ALL: tuple[Kind, ...] = (LEASE,)
