"""The quality-of-service class of a pod, from its requests and limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from schema import quantity
from schema.core.container import Container
from schema.core.pod import Pod

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

_RESOURCES = ("cpu", "memory")


def of(pod: Pod) -> str:
    containers = [*(pod.spec.init_containers or ()), *pod.spec.containers]
    if not any(_amounts(c, "limits") or _amounts(c, "requests") for c in containers):
        return BEST_EFFORT
    return GUARANTEED if all(_guaranteed(c) for c in containers) else BURSTABLE


def _guaranteed(container: Container) -> bool:
    limits, requests = _amounts(container, "limits"), _amounts(container, "requests")
    return all(
        name in limits and quantity.compare(requests.get(name, limits[name]), limits[name]) == 0 for name in _RESOURCES
    )


def _amounts(container: Container, kind: str) -> Mapping[str, str]:
    """Amounts of cpu and memory that are more than nothing."""
    given = getattr(container.resources, kind, None) or {}
    return {name: str(given[name]) for name in _RESOURCES if name in given and quantity.compare(given[name], "0") > 0}
