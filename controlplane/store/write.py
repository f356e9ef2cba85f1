"""Creating and changing objects inside a `transaction.Transaction`.

Each function decides first and writes last: whoever catches its `StoreError` finds the transaction as it was, which is
what lets a batch go on after one of its writes is refused.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controlplane.store import admission, codec, definitions, kinds
from controlplane.store.admission import Charge
from controlplane.store.codec import Row
from controlplane.store.errors import AlreadyExists, Forbidden, Invalid, already_exists, conflict, not_found
from controlplane.store.storage import Storage
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import NAMESPACE, POD, Kind

Change = Callable[[Wire], Wire | None]
"""Gets the object, returns it as it should be, or None when there is nothing to do. May change its argument."""


@dataclass(frozen=True)
class Outcome:
    object: Wire
    finished: bool = False
    """The object is gone: the change took its last finalizer."""


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# Create


def create(tx: Transaction, kind: Kind, wire: Wire) -> Wire:
    storage = kinds.of(kind)
    metadata = wire.get("metadata") or {}
    namespace = metadata.get("namespace") or "" if kind.namespaced else ""
    if kind.custom is not None:
        _require_definition(kind, kind.custom.definition, metadata.get("name") or "")
    if kind.namespaced:
        _require_namespace(tx, kind, namespace, metadata.get("name") or metadata.get("generateName") or "")
    name = metadata.get("name") or _generate_name(tx, storage, namespace, metadata.get("generateName") or "")
    if tx.row(storage, namespace, name) is not None:
        raise already_exists(kind, name)
    identity = str(uuid.uuid4())
    born = {**wire, "metadata": {**metadata, "name": name, "uid": identity}}
    storage.prepare(born)
    if storage.completes:
        born = codec.copy(born)
        storage.complete(tx.claims, born, None)
    born, charges = admission.admit(tx, kind, namespace, name, born)
    row = Row(
        storage,
        uid=identity,
        namespace=namespace,
        name=name,
        revision=0,
        generation=1,
        created_at=now(),
        deleted_at="",
        grace_seconds=None,
        labels=metadata.get("labels") or {},
        metadata=codec.other_metadata(metadata),
        spec=codec.content(storage, born),
        status=born.get("status") or {},
    )
    if storage.settle is not None:
        row.status = storage.settle(row, tx.rows_in(storage, namespace))
    made = tx.added(row)
    _pay(tx, charges)
    return made


def _pay(tx: Transaction, charges: Iterable[Charge]) -> None:
    for each in charges:
        tx.changed(each.old, each.new)


def _require_namespace(tx: Transaction, kind: Kind, namespace: str, name: str) -> None:
    if not namespace:
        raise Invalid("metadata.namespace: an object of this kind lives in a namespace", kind=kind, name=name)
    home = tx.row(kinds.of(NAMESPACE), "", namespace)
    if home is None:
        raise not_found(NAMESPACE, namespace)
    if home.deleted_at:
        raise Forbidden(
            f'{kind.plural} "{name}" is forbidden: unable to create new content in namespace {namespace} '
            "because it is being terminated",
            kind=kind,
            name=name,
            cause="NamespaceTerminating",
            field="metadata.namespace",
        )


def _require_definition(kind: Kind, definition: str, name: str) -> None:
    """Under the lock: it may have gone since the request found it."""
    if not definitions.is_open(definition):
        raise Forbidden(
            f'{kind.group_resource} "{name}" is forbidden: create not allowed while custom resource definition is terminating',
            kind=kind,
            name=name,
        )


_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""As Kubernetes: no vowels, so no words, and nothing that looks like something else."""
_SUFFIX = 5
_NAME_ATTEMPTS = 8


def _generate_name(tx: Transaction, storage: Storage, namespace: str, base: str) -> str:
    if not base:
        raise Invalid("metadata.name: name or generateName is required", kind=storage.kind)
    for _ in range(_NAME_ATTEMPTS):
        name = base[: 63 - _SUFFIX] + "".join(secrets.choice(_LETTERS) for _ in range(_SUFFIX))
        if tx.row(storage, namespace, name) is None:
            return name
    raise AlreadyExists(
        f'{storage.kind.plural} "{base}" already exists: the server could not find a free name, try again',
        kind=storage.kind,
        name=base,
    )


# Change


def replace_(tx: Transaction, kind: Kind, wire: Wire, *, subresource: str = "") -> Outcome:
    """The stored object becomes ``wire``, as far as the subresource may say so."""
    storage = kinds.of(kind)
    metadata = wire.get("metadata") or {}
    row = require(tx, storage, metadata.get("namespace") or "", metadata.get("name") or "")
    _check_preconditions(row, metadata)
    return _change(tx, row, _replaced(tx, row, wire, metadata, subresource))


def patch(
    tx: Transaction, kind: Kind, namespace: str, name: str, change: Change, *, subresource: str = "", uid: str = ""
) -> Outcome:
    storage = kinds.of(kind)
    row = require(tx, storage, namespace, name)
    if uid and row.uid != uid:
        raise not_found(kind, name)
    # The change may alter what it is given in place: it gets a copy, parsed afresh.
    wanted = change(codec.copy(codec.wire(row)))
    if wanted is None:
        return Outcome(codec.wire(row))
    metadata = wanted.get("metadata") or {}
    return _change(tx, row, _replaced(tx, row, wanted, metadata, subresource))


def status(tx: Transaction, kind: Kind, namespace: str, name: str, wanted: Wire, *, uid: str = "") -> Outcome:
    row = require(tx, kinds.of(kind), namespace, name)
    if uid and row.uid != uid:
        raise not_found(kind, name)
    return _change(tx, row, replace(row, status=wanted))


def bind(tx: Transaction, namespace: str, name: str, node: str, *, uid: str = "") -> Outcome:
    """Give a pod its node. It is decided once: a bound pod, or one on its way out, is a Conflict."""
    row = require(tx, kinds.of(POD), namespace, name)
    bound = row.spec.get("nodeName")
    if uid and row.uid != uid:
        raise conflict(POD, name, "the pod was deleted and another of its name created")
    if row.deleted_at:
        raise conflict(POD, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if bound and bound != node:
        raise conflict(POD, name, f"pod {name} is already assigned to node {bound}")
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}
    conditions = [c for c in row.status.get("conditions") or () if c.get("type") != "PodScheduled"]
    wanted = replace(
        row,
        spec={**row.spec, "nodeName": node},
        status=row.status if bound else {**row.status, "conditions": [*conditions, scheduled]},
    )
    return _change(tx, row, wanted, same_generation=True)


def require(tx: Transaction, storage: Storage, namespace: str, name: str) -> Row:
    row = tx.row(storage, namespace if storage.kind.namespaced else "", name)
    if row is None:
        raise not_found(storage.kind, name)
    return row


def _check_preconditions(row: Row, metadata: Wire) -> None:
    """Compare-and-swap, where the writer says what it has read."""
    uid, given = metadata.get("uid"), metadata.get("resourceVersion")
    if uid and uid != row.uid:
        raise conflict(
            row.storage.kind,
            row.name,
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {row.uid}",
        )
    if given in (None, ""):
        return
    if not str(given).isdecimal():
        raise Invalid(f"metadata.resourceVersion: Invalid value: {given!r}", kind=row.storage.kind, name=row.name)
    if int(given) != row.revision:
        raise conflict(row.storage.kind, row.name)


def _replaced(tx: Transaction, row: Row, wire: Wire, metadata: Wire, subresource: str) -> Row:
    if subresource == "status":
        return replace(row, status=wire.get("status") or {})
    if row.storage.completes and not row.deleted_at:
        wire = codec.copy({**wire, "metadata": {**metadata, "name": row.name, "namespace": row.namespace}})
        row.storage.complete(tx.claims, wire, codec.wire(row))
    return replace(
        row,
        labels=metadata.get("labels") or {},
        metadata=codec.other_metadata(metadata),
        spec=codec.content(row.storage, wire),
        status=(wire.get("status") or {}) if row.storage.status_is_content else row.status,
    )


def _change(tx: Transaction, old: Row, new: Row, *, same_generation: bool = False) -> Outcome:
    """Write ``new`` unless nothing differs. An object on its way out goes with its last finalizer."""
    storage = old.storage
    if storage.settle is not None:
        new.status = storage.settle(new, tx.rows_in(storage, new.namespace))
    if new.spec != old.spec or (storage.status_is_content and new.status != old.status):
        new.generation += not same_generation
    elif new.status == old.status and new.labels == old.labels and new.metadata == old.metadata:
        return Outcome(codec.wire(old))
    if is_over(new) and old.finalizers:
        return Outcome(remove(tx, old, last=new), finished=True)
    charges = _charges(tx, old, new)
    changed = tx.changed(old, new)
    _pay(tx, charges)
    _settle_others(tx, new)
    return Outcome(changed)


def remove(tx: Transaction, row: Row, *, last: Row | None = None) -> Wire:
    """The object goes; what it had may be another's now."""
    removed = tx.removed(row, last=last)
    _settle_others(tx, row)
    return removed


def _settle_others(tx: Transaction, row: Row) -> None:
    """In the order in which they came."""
    storage = row.storage
    if storage.settle is None:
        return
    for other in sorted(tx.rows_in(storage, row.namespace), key=lambda each: (each.created_at, each.uid)):
        if other.uid != row.uid:
            status = storage.settle(other, tx.rows_in(storage, row.namespace))
            if status != other.status:
                tx.changed(other, replace(other, status=status))


_CHANGEABLE = frozenset(["persistentvolumeclaims", "pods", "services"])
"""What a quota counts of them may change with their spec."""


def _charges(tx: Transaction, old: Row, new: Row) -> list[Charge]:
    """What a change of the spec costs; what ends or goes is for the quota's controller to take off."""
    kind = old.storage.kind
    if new.spec == old.spec or kind.plural not in _CHANGEABLE:
        return []
    return admission.charge(tx, kind, old.namespace, old.name, codec.wire(new), before=codec.wire(old))


def is_over(row: Row) -> bool:
    """Deleted, and neither a finalizer nor a grace period nor (for a namespace) its content holds it."""
    if not row.deleted_at or row.finalizers or row.storage.kind is NAMESPACE:
        return False
    return not row.grace_seconds
