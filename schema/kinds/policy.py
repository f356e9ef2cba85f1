"""The group policy."""

from __future__ import annotations

from schema.kind import Kind
from schema.policy.poddisruptionbudget import PodDisruptionBudget

POD_DISRUPTION_BUDGET = Kind(
    group="policy",
    version="v1",
    kind="PodDisruptionBudget",
    plural="poddisruptionbudgets",
    singular="poddisruptionbudget",
    namespaced=True,
    model=PodDisruptionBudget,
    short_names=("pdb",),
    subresources=("status",),
)

ALL: tuple[Kind, ...] = (POD_DISRUPTION_BUDGET,)
