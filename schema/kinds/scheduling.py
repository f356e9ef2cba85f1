"""The group scheduling.k8s.io."""

from __future__ import annotations

from schema.kind import Kind
from schema.scheduling.priorityclass import PriorityClass

PRIORITY_CLASS = Kind(
    group="scheduling.k8s.io",
    version="v1",
    kind="PriorityClass",
    plural="priorityclasses",
    singular="priorityclass",
    namespaced=False,
    model=PriorityClass,
    short_names=("pc",),
)

ALL: tuple[Kind, ...] = (PRIORITY_CLASS,)
