from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.db import models

from controlplane.store.errors import Invalid
from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema import kinds, quantity
from schema.base import Wire

FINISHED = ("Succeeded", "Failed")
"""Phases from which a pod never comes back; it uses nothing of its node any more."""


class Pod(Resource):
    """What the scheduler asks by is promoted: where it runs, whether it is over, what it takes."""

    node_name = Text(blank=True)
    phase = Text(blank=True, max_length=16)
    cpu_millis = models.BigIntegerField()
    memory_bytes = models.BigIntegerField()
    ephemeral_bytes = models.BigIntegerField()
    priority = models.IntegerField()

    class Meta(Resource.Meta):
        db_table = "store_pod"
        # Holds all that `pods.node_usage` reads, so that it need not touch the table.
        indexes = [
            models.Index(
                fields=["node_name", "phase", "cpu_millis", "memory_bytes", "ephemeral_bytes"], name="store_pod_node"
            )
        ]


def _prepare(wire: Wire) -> None:
    wire["status"] = {"phase": "Pending", **(wire.get("status") or {})}


def _promote(wire: Wire) -> dict[str, Any]:
    spec = wire.get("spec") or {}
    return {
        "node_name": spec.get("nodeName") or "",
        "phase": (wire.get("status") or {}).get("phase") or "",
        "cpu_millis": request(spec, "cpu"),
        "memory_bytes": request(spec, "memory"),
        "ephemeral_bytes": request(spec, "ephemeral-storage"),
        "priority": spec.get("priority") or 0,
    }


def request(spec: Wire, resource: str) -> int:
    """What a pod asks of its node: the pod's own word if it has one, else its containers' together.

    Init containers run one after another before the others, so only the largest counts; one that restarts always (a
    sidecar) goes on beside what comes after it (KEP-753).
    """
    whole = _asked(spec, resource)
    if whole is None:
        whole = _of_containers(spec, resource)
    return whole + _amount(resource, (spec.get("overhead") or {}).get(resource))


def _of_containers(spec: Wire, resource: str) -> int:
    sidecars = peak = 0
    for container in spec.get("initContainers") or ():
        asked = _asked(container, resource) or 0
        if container.get("restartPolicy") == "Always":
            sidecars += asked
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + asked)
    return max(peak, sidecars + _sum(spec.get("containers") or (), resource))


def _sum(containers: Iterable[Wire], resource: str) -> int:
    return sum(_asked(container, resource) or 0 for container in containers)


def _asked(holder: Wire, resource: str) -> int | None:
    """The request of a container or a pod; a limit without a request is a request."""
    resources = holder.get("resources") or {}
    for section in ("requests", "limits"):
        value = (resources.get(section) or {}).get(resource)
        if value is not None:
            return _amount(resource, value)
    return None


@lru_cache(maxsize=4096)
def _amount(resource: str, value: str | int | float | None) -> int:
    if value is None:
        return 0
    try:
        return quantity.cpu_millis(value) if resource == "cpu" else quantity.bytes_(value)
    except quantity.QuantityError as error:
        raise Invalid(f"{resource}: {error}", kind=kinds.POD) from error


STORAGE = Storage(
    kinds.POD,
    Pod,
    promoted=("node_name", "phase", "cpu_millis", "memory_bytes", "ephemeral_bytes", "priority"),
    promote=_promote,
    field_columns={"spec.nodeName": "node_name", "status.phase": "phase"},
    prepare=_prepare,
)
