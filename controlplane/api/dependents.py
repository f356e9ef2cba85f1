"""What belongs to an object, and goes with it when it is deleted: ``GET /apis/slipway.dev/v1/dependents/<uid>``.

All of it, over every step of ownership: a Deployment's ReplicaSets and their pods. The nearest come first. Only what the asker
may get is told; ``truncated`` says that there is more than `MOST`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access import authorization
from controlplane.access.identity import Identity
from controlplane.api.base import ApiView
from controlplane.store import definitions, objects
from schema.base import Wire

API_VERSION = "slipway.dev/v1"
MOST = 500


class DependentsView(ApiView):
    def get(self, request: Request, uid: str) -> Response:
        found = list(_below(uid))
        items = [_item(owner, wire) for owner, wire in found[:MOST] if _may_get(self.identity, wire)]
        return Response(
            {"apiVersion": API_VERSION, "kind": "DependentList", "items": items, "truncated": len(found) > MOST}
        )


def _below(uid: str) -> Iterator[tuple[str, Wire]]:
    """Each dependent once, with the uid of the owner it was found by; one more than `MOST` at most."""
    seen, waiting = {uid}, [uid]
    while waiting:
        owner = waiting.pop(0)
        for wire in objects.dependents_of(owner):
            own = str(wire["metadata"]["uid"])
            if own in seen:
                continue
            seen.add(own)
            waiting.append(own)
            yield owner, wire
            if len(seen) > MOST + 1:
                return


def _item(owner: str, wire: Wire) -> Wire:
    metadata = {key: wire["metadata"][key] for key in ("name", "namespace", "uid") if wire["metadata"].get(key)}
    return {"apiVersion": wire["apiVersion"], "kind": wire["kind"], "metadata": metadata, "owner": owner}


def _may_get(identity: Identity, wire: Wire) -> bool:
    kind = definitions.by_kind(wire["apiVersion"], wire["kind"])
    metadata = wire["metadata"]
    return kind is not None and authorization.allowed(
        identity, "get", kind, metadata.get("namespace", ""), metadata["name"]
    )
