from __future__ import annotations

from controlplane.store.resource import Resource
from controlplane.store.storage import Storage
from schema import kinds
from schema.base import Wire


class Namespace(Resource):
    class Meta(Resource.Meta):
        db_table = "store_namespace"


def _prepare(wire: Wire) -> None:
    """The ``kubernetes`` finalizer stands for the objects in it: the namespace controller empties it before it goes."""
    wire["spec"] = {**(wire.get("spec") or {}), "finalizers": ["kubernetes"]}
    wire["status"] = {**(wire.get("status") or {}), "phase": "Active"}


STORAGE = Storage(kinds.NAMESPACE, Namespace, prepare=_prepare)
