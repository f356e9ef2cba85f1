"""PriorityClass: which values and names are left to users, and that a class stays what it is."""

from __future__ import annotations

from schema.base import Wire
from schema.scheduling.priorityclass import PriorityClass
from schema.validation.causes import Problems

HIGHEST_OF_USERS = 1_000_000_000
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
"""Built in, and the only ones whose names may begin with ``system-``."""


def check(wanted: PriorityClass, problems: Problems) -> None:
    name = wanted.metadata.name
    if name in SYSTEM:
        if wanted.value != SYSTEM[name] or wanted.global_default:
            problems.forbidden("metadata.name", f"{name} is a system class: its value is {SYSTEM[name]} and no default")
    elif name.startswith("system-"):
        problems.forbidden(
            "metadata.name", "priority class names with 'system-' prefix are reserved for system use only"
        )
    elif wanted.value > HIGHEST_OF_USERS:
        problems.forbidden(
            "value", f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}"
        )  # fmt: skip


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    for name in ("value", "preemptionPolicy"):
        if new.get(name) != old.get(name):
            problems.forbidden(name, "may not be changed in an update.")
