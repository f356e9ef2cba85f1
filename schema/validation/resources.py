"""Requests and limits."""

from __future__ import annotations

from schema import quantity
from schema.core.resources import ResourceList, ResourceRequirements
from schema.validation.causes import Problems
from schema.validation.names import qualified_fault

STANDARD = frozenset(["cpu", "memory", "ephemeral-storage"])
_HUGE_PAGES = "hugepages-"


def check(resources: ResourceRequirements, path: str, problems: Problems) -> None:
    limits, requests = resources.limits, resources.requests
    _check_amounts(limits, f"{path}.limits", problems)
    _check_amounts(requests, f"{path}.requests", problems)
    for name, requested in requests.items():
        limit = limits.get(name)
        if limit is None or not (quantity.valid(limit) and quantity.valid(requested)):
            if limit is None and not _overcommits(name):
                problems.required(f"{path}.limits[{name}]", "Limit must be set for non overcommitable resources")
            continue
        if not _overcommits(name) and quantity.compare(requested, limit) != 0:
            problems.invalid(f"{path}.requests", requested, f"must be equal to {name} limit of {limit}")
        elif quantity.compare(requested, limit) > 0:
            problems.invalid(
                f"{path}.requests[{name}]", requested, f"must be less than or equal to {name} limit of {limit}"
            )


def _overcommits(name: str) -> bool:
    """Extended resources (devices) and huge pages cannot be promised twice."""
    return name in STANDARD or (name.startswith("kubernetes.io/") or ("/" not in name and _HUGE_PAGES not in name))


def _check_amounts(amounts: ResourceList, path: str, problems: Problems) -> None:
    for name, amount in amounts.items():
        here = f"{path}[{name}]"
        _check_name(name, here, problems)
        if not quantity.valid(amount):
            continue  # reported with the object's other words
        if quantity.sign(amount) < 0:
            problems.invalid(here, amount, "must be greater than or equal to 0")
        elif name not in STANDARD and not quantity.is_whole(amount):
            problems.invalid(here, amount, "must be an integer")


def _check_name(name: str, path: str, problems: Problems) -> None:
    if name in STANDARD:
        return
    if fault := qualified_fault(name):
        problems.invalid(path, name, fault)
    elif "/" not in name and not name.startswith(_HUGE_PAGES):
        problems.invalid(path, name, "must be a standard resource type or fully qualified")
