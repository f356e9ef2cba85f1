"""Images that a namespace does not allow make no pods, whoever makes the pod."""

from __future__ import annotations

from controlplane.store import kinds
from controlplane.store.errors import Forbidden
from controlplane.store.transaction import Transaction
from schema import imagepolicy
from schema.base import Wire
from schema.kinds import NAMESPACE, POD


def check(tx: Transaction, namespace: str, name: str, pod: Wire) -> None:
    """Raises `Forbidden`, naming the field."""
    row = tx.row(kinds.of(NAMESPACE), "", namespace)
    annotations = (row.metadata.get("annotations") or {}) if row is not None else {}
    for field, reason in imagepolicy.refusals(imagepolicy.of(annotations), pod.get("spec") or {}):
        raise Forbidden(f'pods "{name}" is forbidden: {field}: {reason}', kind=POD, name=name)
