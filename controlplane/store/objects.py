"""The door of the store: every part reads and writes objects through these functions and no other way.

They are synchronous; async code calls them through `pool.run`. Objects are complete wire dicts, each caller's own copy.
Every write raises `StoreError` or its subclasses (see errors.py); unchanged writes take no revision and write nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.store import deletion, eviction, kinds, read, transaction, write
from controlplane.store.admission import quotas
from controlplane.store.deletion import Deletion
from controlplane.store.errors import Conflict, StoreError, conflict
from controlplane.store.history import changes_since, compacted_revision, current_revision
from controlplane.store.lists import Page, list_encoded, list_objects
from controlplane.store.owners import abandoned, dependents_of
from controlplane.store.pods import (
    Usage,
    bound_pods,
    bound_pods_below,
    bound_pods_mentioning,
    node_usage,
    pending_pods,
    pods_on,
)
from controlplane.store.read import get, get_encoded
from controlplane.store.record import ChangeRecord, ChangeType
from controlplane.store.transaction import Transaction
from controlplane.store.volumes import (
    claims_without_volume,
    free_volumes,
    is_to_be_removed,
    pods_mentioning,
    pods_with_claim,
    volumes_for_claim,
    volumes_to_remove,
)
from controlplane.store.write import Change
from schema.base import Wire
from schema.kinds import POD, Kind
from schema.meta import DeleteOptions

__all__ = [
    "Bind",
    "Change",
    "ChangeRecord",
    "ChangeType",
    "Create",
    "Delete",
    "Deletion",
    "Finish",
    "Page",
    "Patch",
    "Status",
    "Usage",
    "Write",
    "abandoned",
    "bound_pods",
    "bound_pods_below",
    "bound_pods_mentioning",
    "changes_since",
    "claims_without_volume",
    "compacted_revision",
    "create",
    "current_revision",
    "delete",
    "dependents_of",
    "evict",
    "finish_deletion",
    "free_volumes",
    "get",
    "get_encoded",
    "is_to_be_removed",
    "list_encoded",
    "list_objects",
    "mutate",
    "node_usage",
    "pending_pods",
    "pods_mentioning",
    "pods_on",
    "pods_with_claim",
    "recount_quota",
    "replace",
    "volumes_for_claim",
    "volumes_to_remove",
    "write_many",
]

_OPTIMISTIC_ATTEMPTS = 5


def create(kind: Kind, obj: Wire, *, dry_run: bool = False) -> Wire:
    """Store a new object, status included as given. Fills uid, creationTimestamp, generation and resourceVersion; makes
    a name from generateName. Raises `AlreadyExists`, `NotFound` (the namespace), `Forbidden` (it is terminating)."""
    with transaction.begin(dry_run=dry_run) as tx:
        created = write.create(tx, kind, obj)
    if dry_run:
        del created["metadata"]["resourceVersion"]
    return created


def replace(kind: Kind, obj: Wire, *, subresource: str = "", dry_run: bool = False) -> Wire:
    """The stored object becomes ``obj``: its status only for ``subresource="status"``, all but its status otherwise.

    With metadata.resourceVersion it is a compare-and-swap (`Conflict`); without, it is unconditional. Identity, creation
    and deletion of the stored object win. An object on its way out that loses its last finalizer is removed.
    """
    with transaction.begin(dry_run=dry_run) as tx:
        return write.replace_(tx, kind, obj, subresource=subresource).object


def mutate(
    kind: Kind, namespace: str, name: str, change: Change, *, subresource: str = "", dry_run: bool = False
) -> Wire:
    """Read, change, compare-and-swap, and again if somebody was faster. ``change`` may alter its argument; it returns
    the object as it should be, or None when there is nothing to do, and may be called several times.

    A resourceVersion or uid that ``change`` puts in is a precondition of the caller's: it is not retried (`Conflict`).
    """
    for _ in range(_OPTIMISTIC_ATTEMPTS):
        stored = get(kind, namespace, name)
        identity = _identity(stored)
        wanted = change(stored)
        if wanted is None:
            return stored
        wanted = _claim(kind, wanted, identity)
        try:
            return replace(kind, wanted, subresource=subresource, dry_run=dry_run)
        except Conflict:
            continue
    # So many writers that the swap keeps failing: take the lock first.
    with transaction.begin(dry_run=dry_run) as tx:
        return write.patch(tx, kind, namespace, name, change, subresource=subresource).object


def _identity(obj: Wire) -> dict[str, Any]:
    return {key: obj["metadata"].get(key) for key in ("namespace", "name", "uid", "resourceVersion")}


def _claim(kind: Kind, wanted: Wire, identity: dict[str, Any]) -> Wire:
    metadata = wanted.get("metadata") or {}
    for key in ("uid", "resourceVersion"):
        if metadata.get(key) not in (None, "", identity[key]):
            raise conflict(kind, identity["name"])
    return {**wanted, "metadata": {**metadata, **identity}}


def delete(
    kind: Kind, namespace: str, name: str, *, options: DeleteOptions | None = None, dry_run: bool = False
) -> Deletion:
    """Remove the object, or mark it as deleted where finalizers, a pod's grace period or a namespace's content hold it.

    Foreground and Orphan leave a finalizer for the garbage collector if there are dependents. Raises `NotFound`,
    `Conflict` (preconditions), `Forbidden` (a namespace that must stay).
    """
    with transaction.begin(dry_run=dry_run) as tx:
        return deletion.delete(tx, kind, namespace, name, options or DeleteOptions())


def evict(namespace: str, name: str, *, options: DeleteOptions | None = None, dry_run: bool = False) -> Deletion:
    """Delete a pod if the disruption budgets that cover it allow it now; `NotNow` if they do not."""
    with transaction.begin(dry_run=dry_run) as tx:
        return eviction.evict(tx, namespace, name, options or DeleteOptions())


def finish_deletion(kind: Kind, namespace: str, name: str, uid: str) -> bool:
    """What held the deleted object is over (the pod has ended, the namespace is empty): remove it, if it is still the
    same object and no finalizer is left. Returns whether it is gone by this call."""
    with transaction.begin() as tx:
        return deletion.finish(tx, kind, namespace, name, uid)


def recount_quota(namespace: str, name: str) -> None:
    """Write down what a ResourceQuota's namespace has used by now."""
    with transaction.begin() as tx:
        quotas.recount(tx, namespace, name)


# Many at once


@dataclass(frozen=True)
class Create:
    kind: Kind
    obj: Wire


@dataclass(frozen=True)
class Status:
    """Replace the status; with ``uid``, only that of this very object (`NotFound` otherwise)."""

    kind: Kind
    namespace: str
    name: str
    status: Wire
    uid: str = ""


@dataclass(frozen=True)
class Patch:
    """``change`` runs under the revision lock: it computes, it neither waits nor queries."""

    kind: Kind
    namespace: str
    name: str
    change: Change
    subresource: str = ""
    uid: str = ""


@dataclass(frozen=True)
class Bind:
    """Give a pod its node, with the PodScheduled condition. `Conflict` if it has another or is being deleted."""

    namespace: str
    name: str
    node: str
    uid: str = ""


@dataclass(frozen=True)
class Delete:
    kind: Kind
    namespace: str
    name: str
    options: DeleteOptions | None = None


@dataclass(frozen=True)
class Finish:
    """As `finish_deletion`; returns an empty dict."""

    kind: Kind
    namespace: str
    name: str
    uid: str


Write = Create | Status | Patch | Bind | Delete | Finish


def write_many(writes: Sequence[Write]) -> list[Wire | StoreError]:
    """One transaction and one block of revisions for all. Each write is refused or done on its own: the result holds the
    object or the error, in the order of the writes."""
    if not writes:
        return []
    with transaction.begin() as tx, read.uncollected():
        _preload(tx, writes)
        return [_attempt(tx, one) for one in writes]


def _preload(tx: Transaction, writes: Sequence[Write]) -> None:
    wanted: dict[Kind, list[tuple[str, str]]] = {}
    for one in writes:
        if isinstance(one, Create):
            continue
        kind = POD if isinstance(one, Bind) else one.kind
        wanted.setdefault(kind, []).append((one.namespace if kind.namespaced else "", one.name))
    for kind, keys in wanted.items():
        tx.preload(kinds.of(kind), keys)


def _attempt(tx: Transaction, one: Write) -> Wire | StoreError:
    try:
        return _apply(tx, one)
    except StoreError as error:
        return error


def _apply(tx: Transaction, one: Write) -> Wire:
    match one:
        case Create(kind, obj):
            return write.create(tx, kind, obj)
        case Status(kind, namespace, name, status, uid):
            return write.status(tx, kind, namespace, name, status, uid=uid).object
        case Patch(kind, namespace, name, change, subresource, uid):
            return write.patch(tx, kind, namespace, name, change, subresource=subresource, uid=uid).object
        case Bind(namespace, name, node, uid):
            return write.bind(tx, namespace, name, node, uid=uid).object
        case Delete(kind, namespace, name, options):
            return deletion.delete(tx, kind, namespace, name, options or DeleteOptions()).object
        case Finish(kind, namespace, name, uid):
            deletion.finish(tx, kind, namespace, name, uid)
            return {}
