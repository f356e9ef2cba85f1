"""Deleting inside a `transaction.Transaction`.

An object goes at once unless something holds it: finalizers, a pod's grace period (the agent ends it and then calls
`finish`), a namespace's content (the namespace controller empties it and then calls `finish`). While it is held it
carries a deletionTimestamp, and it goes with the last thing that held it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controlplane.store import codec, kinds, naming, write
from controlplane.store.codec import Row
from controlplane.store.errors import Forbidden, conflict
from controlplane.store.kinds import pod
from controlplane.store.transaction import Transaction
from schema import meta
from schema.base import Wire
from schema.kinds import CUSTOM_RESOURCE_DEFINITION, NAMESPACE, POD, PRIORITY_CLASS, Kind
from schema.meta import DeleteOptions, format_time, parse_time
from schema.validation.priorityclass import SYSTEM

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""Of a definition that is to be deleted: its objects go first."""
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_PERMANENT_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
_DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True)
class Deletion:
    """``object`` is the last state if ``finished``, else what is left and waits."""

    object: Wire
    finished: bool


def delete(tx: Transaction, kind: Kind, namespace: str, name: str, options: DeleteOptions) -> Deletion:
    row = write.require(tx, kinds.of(kind), namespace, name)
    _check(row, options)
    held = _held(tx, row, options)
    if held is None:
        return Deletion(write.remove(tx, row), finished=True)
    if held == row:
        return Deletion(codec.wire(row), finished=False)
    return Deletion(tx.changed(row, held), finished=False)


def finish(tx: Transaction, kind: Kind, namespace: str, name: str, uid: str) -> bool:
    """Whoever held the object is done: remove it if it is still the same, was deleted, and no finalizer is left."""
    storage = kinds.of(kind)
    row = tx.row(storage, namespace if kind.namespaced else "", name)
    if row is None or row.uid != uid or not row.deleted_at:
        return False
    if row.finalizers:
        if row.grace_seconds:
            # Nothing but the finalizers holds it now: it shall go with the last of them.
            tx.changed(row, replace(row, grace_seconds=0))
        return False
    if kind is NAMESPACE and not _is_vacant(tx, name):
        return False
    write.remove(tx, row)
    return True


def _check(row: Row, options: DeleteOptions) -> None:
    kind = row.storage.kind
    wanted = options.preconditions
    if wanted and wanted.uid and wanted.uid != row.uid:
        raise conflict(
            kind, row.name, f"Precondition failed: UID in precondition: {wanted.uid}, UID in object meta: {row.uid}"
        )
    if wanted and wanted.resource_version and wanted.resource_version != str(row.revision):
        raise conflict(
            kind,
            row.name,
            f"Precondition failed: ResourceVersion in precondition: {wanted.resource_version}, "
            f"ResourceVersion in object meta: {row.revision}",
        )
    if kind is NAMESPACE and row.name in _PERMANENT_NAMESPACES:
        raise Forbidden(
            f'namespaces "{row.name}" is forbidden: this namespace may not be deleted', kind=kind, name=row.name
        )
    if kind is PRIORITY_CLASS and row.name in SYSTEM:
        raise Forbidden(
            f'{kind.group_resource} "{row.name}" is forbidden: this is a system priority class and cannot be deleted',
            kind=kind,
            name=row.name,
        )


def _held(tx: Transaction, row: Row, options: DeleteOptions) -> Row | None:
    """The object as it waits for its end; None if nothing holds it."""
    finalizers = _finalizers(tx, row, options)
    grace = _grace(row, options)
    if not finalizers and not grace and row.storage.kind is not NAMESPACE:
        return None
    metadata = {key: value for key, value in row.metadata.items() if key != "finalizers"}
    if finalizers:
        metadata["finalizers"] = finalizers
    held = replace(row, metadata=metadata, deleted_at=_deadline(row, grace), grace_seconds=grace)
    if not row.deleted_at:
        held.generation += 1
    if row.storage.kind is NAMESPACE:
        held.status = {**row.status, "phase": "Terminating"}
    if row.storage.kind is CUSTOM_RESOURCE_DEFINITION:
        held.status = naming.terminating(row.status)
    return held


def _finalizers(tx: Transaction, row: Row, options: DeleteOptions) -> list[str]:
    """The object's own, and the garbage collector's where the propagation policy gives it something to do first."""
    policy = "Orphan" if options.orphan_dependents else options.propagation_policy
    given = row.finalizers
    if row.storage.kind is CUSTOM_RESOURCE_DEFINITION and not row.deleted_at and CLEANUP not in given:
        given = [*given, CLEANUP]
    if not policy:
        return given
    own = [name for name in given if name not in (FOREGROUND, ORPHAN)]
    marker = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(policy)
    if marker and (tx.has_dependents(row.uid) or marker in row.finalizers):
        return [*own, marker]
    return own


def _grace(row: Row, options: DeleteOptions) -> int:
    """Seconds a pod may take to end. One that runs nowhere has nothing to end; a second delete may only hurry."""
    if row.storage.kind is not POD or not row.spec.get("nodeName") or row.status.get("phase") in pod.FINISHED:
        return 0
    grace = options.grace_period_seconds
    if grace is None:
        grace = row.spec.get("terminationGracePeriodSeconds")
    if grace is None:
        grace = _DEFAULT_GRACE_SECONDS
    return min(grace, row.grace_seconds) if row.deleted_at and row.grace_seconds is not None else grace


def _deadline(row: Row, grace: int) -> str:
    """When the grace period ends; a shorter grace counts from the first request."""
    if not row.deleted_at:
        return format_time(meta.now() + timedelta(seconds=grace))
    if grace == (row.grace_seconds or 0):
        return row.deleted_at
    return format_time(_asked_at(row) + timedelta(seconds=grace))


def _asked_at(row: Row) -> datetime:
    return parse_time(row.deleted_at).astimezone(UTC) - timedelta(seconds=row.grace_seconds or 0)


def _is_vacant(tx: Transaction, namespace: str) -> bool:
    return all(tx.is_empty(storage, namespace) for storage in kinds.everything() if storage.kind.namespaced)
