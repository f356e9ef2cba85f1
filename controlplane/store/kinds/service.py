from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controlplane.store import allocation
from controlplane.store.claims import Claim, Claims
from controlplane.store.resource import Resource, Text
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire


class Service(Resource):
    """Services are found by their address when a reverse lookup or a conflict asks for one."""

    cluster_ip = Text(blank=True, max_length=45)

    class Meta(Resource.Meta):
        db_table = "store_service"


def _promote(wire: Wire) -> dict[str, Any]:
    return {"cluster_ip": (wire.get("spec") or {}).get("clusterIP") or ""}


def _prepare(wire: Wire) -> None:
    wire["status"] = {"loadBalancer": {}, **(wire.get("status") or {})}


def _claims(wire: Wire) -> Mapping[Claim, str]:
    return allocation.claims(wire)


def _complete(claims: Claims, wire: Wire, old: Wire | None) -> None:
    allocation.complete(claims, wire, old)


STORAGE = Storage(
    kinds.SERVICE,
    Service,
    promoted=("cluster_ip",),
    promote=_promote,
    field_columns={"spec.clusterIP": "cluster_ip"},
    prepare=_prepare,
    claims=_claims,
    complete=_complete,
)
