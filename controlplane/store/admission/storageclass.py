"""The class of a claim that names none."""

from __future__ import annotations

from controlplane.store import codec, kinds
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import STORAGE_CLASS
from schema.storage.storageclass import IS_DEFAULT


def admit(tx: Transaction, claim: Wire) -> Wire:
    """With the default class; of several the newest, as in Kubernetes. An empty name means that none is wanted."""
    spec = claim.get("spec") or {}
    if spec.get("storageClassName") is not None:
        return claim
    classes = [codec.wire(row)["metadata"] for row in tx.rows_in(kinds.of(STORAGE_CLASS), "")]
    marked = [
        (one["creationTimestamp"], one["name"])
        for one in classes
        if (one.get("annotations") or {}).get(IS_DEFAULT) == "true"
    ]
    return {**claim, "spec": {**spec, "storageClassName": max(marked)[1]}} if marked else claim
