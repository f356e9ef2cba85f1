"""Garbage collection by ownerReferences.

An object whose owners are all gone is deleted; where some live on, only the references to the others are taken off. A
deleted owner waits for its dependents where it was deleted in the foreground (finalizer ``foregroundDeletion``), or lets
them go first where it orphans them (finalizer ``orphan``).

Reads owners and dependents of any kind. Writes: deletions of dependents, their ownerReferences, the two finalizers. An owner
is the object of that kind, name and uid in the dependent's namespace or, for cluster-wide kinds, in none; a reference to
a kind that is not served cannot be judged and protects its object. What is deleted so is logged: an event about an
object that is gone has no reader.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import partial

from controlplane.controllers.base import DONE, Verdict, write
from controlplane.store import definitions, objects
from controlplane.store import kinds as storages
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Patch, Write
from controlplane.store.write import Change
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.meta import DeleteOptions, Preconditions

log = logging.getLogger(__name__)

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_NEVER_OWNERS = (kinds.EVENT, kinds.LEASE)
"""They come and go too often to ask each time whether they owned anything; the full pass does."""


class Owner(Enum):
    LIVING = "living"
    LEAVING = "leaving"
    """Deleted in the foreground: it waits for its dependents."""
    GONE = "gone"


Owners = Mapping[str, Owner]
"""By uid of the reference."""


# Decisions


def decide(dependent: Wire, owners: Owners) -> Write | None:
    """What is to happen with an object, given what became of its owners."""
    references = references_of(dependent)
    kind, metadata = kind_of(dependent), dependent["metadata"]
    lost = [each["uid"] for each in references if owners[each["uid"]] is not Owner.LIVING]
    if kind is None or not lost or "deletionTimestamp" in metadata:
        return None
    key = (metadata.get("namespace", ""), metadata["name"])
    if len(lost) < len(references):
        return Patch(kind, *key, partial(without_owners, uids=frozenset(lost)), uid=metadata["uid"])
    leaving = any(owners[uid] is Owner.LEAVING for uid in lost)
    # Below an owner that waits, dependents wait for their own in turn; otherwise theirs follow later.
    options = DeleteOptions(
        preconditions=Preconditions(uid=metadata["uid"]),
        propagation_policy=_policy(metadata) or ("Foreground" if leaving else "Background"),
    )
    return Delete(kind, *key, options)


def _policy(metadata: Wire) -> str:
    """What the object itself asks for by a finalizer that it has already."""
    finalizers = metadata.get("finalizers") or ()
    return "Orphan" if ORPHAN in finalizers else "Foreground" if FOREGROUND in finalizers else ""


def serve(owner: Wire, dependents: Iterable[Wire], owners: Owners) -> list[Write]:
    """What the finalizers of a deleted owner ask for. ``owners`` is what became of the owners of the dependents."""
    kind, metadata = kind_of(owner), owner["metadata"]
    finalizers = metadata.get("finalizers") or ()
    if kind is None or "deletionTimestamp" not in metadata:
        return []
    dependents = list(dependents)
    if ORPHAN in finalizers:
        uids = frozenset([metadata["uid"]])
        freed = [_patch(one, partial(without_owners, uids=uids)) for one in dependents]
        return [*(one for one in freed if one), *_drop(owner, ORPHAN)]
    if FOREGROUND not in finalizers:
        return []
    writes = [one for one in (decide(dependent, owners) for dependent in dependents) if one]
    waits = any(blocks(one, owner) for one in dependents)
    return writes if waits else [*writes, *_drop(owner, FOREGROUND)]


def blocks(dependent: Wire, owner: Wire) -> bool:
    """Whether a foreground deletion has to wait for this dependent. Two that wait for each other do not."""
    uid = owner["metadata"]["uid"]
    asked = any(each["uid"] == uid and each.get("blockOwnerDeletion") for each in references_of(dependent))
    mutual = FOREGROUND in (dependent["metadata"].get("finalizers") or ()) and any(
        each["uid"] == dependent["metadata"]["uid"] for each in references_of(owner)
    )
    return asked and not mutual


def _drop(owner: Wire, finalizer: str) -> list[Write]:
    patch = _patch(owner, partial(without_finalizer, name=finalizer))
    return [patch] if patch else []


def _patch(wire: Wire, change: Change) -> Write | None:
    kind, metadata = kind_of(wire), wire["metadata"]
    if kind is None:
        return None
    return Patch(kind, metadata.get("namespace", ""), metadata["name"], change, uid=metadata["uid"])


def kind_of(wire: Wire) -> Kind | None:
    """Of an object or of a reference to one."""
    return definitions.by_kind(wire.get("apiVersion", ""), wire.get("kind", ""))


def references_of(wire: Wire) -> list[Wire]:
    return wire["metadata"].get("ownerReferences") or []


def without_owners(wire: Wire, uids: frozenset[str]) -> Wire:
    kept = [each for each in references_of(wire) if each.get("uid") not in uids]
    return {**wire, "metadata": {**wire["metadata"], "ownerReferences": kept}}


def without_finalizer(wire: Wire, name: str) -> Wire | None:
    finalizers = wire["metadata"].get("finalizers") or []
    if name not in finalizers:
        return None
    return {**wire, "metadata": {**wire["metadata"], "finalizers": [each for each in finalizers if each != name]}}


# The edge


class GarbageCollector:
    """Not a controller of one kind: its keys are the identities of objects of every kind."""

    def keys_for(self, change: ChangeRecord) -> Iterator[tuple[str, str, str]]:
        """``gone``: the uid of an object that was removed. ``object``: "<apiVersion> <kind>" and "<namespace>/<name>" of one
        that may wait for its dependents, or whose own owners may be gone. ``owner``: the same and "/<uid>" of what a new
        object names as its owner, which may be gone already; so the fifty pods of one owner are one key."""
        metadata = change.object["metadata"]
        if change.type is ChangeType.DELETED:
            if change.kind not in _NEVER_OWNERS:
                yield "gone", change.uid, ""
            yield from self._owner_keys(change)
        elif "deletionTimestamp" in metadata:
            if metadata.get("finalizers"):
                yield "object", _kind_text(change.object), f"{change.namespace}/{change.name}"
        elif change.type is ChangeType.ADDED:
            for owner in references_of(change.object):
                yield "owner", _kind_text(owner), f"{change.namespace}/{owner.get('name', '')}/{owner['uid']}"

    def _owner_keys(self, change: ChangeRecord) -> Iterator[tuple[str, str, str]]:
        """Owners that may be waiting for this one."""
        for owner in references_of(change.object):
            if owner.get("blockOwnerDeletion"):
                kind = kinds.by_kind(owner.get("apiVersion", ""), owner.get("kind", ""))
                # Of a custom kind it is not known here whether it has namespaces; whoever looks, knows.
                namespace = change.namespace if kind is None or kind.namespaced else ""
                yield "object", _kind_text(owner), f"{namespace}/{owner.get('name', '')}"

    def look(self, what: str, first: str, second: str) -> Verdict:
        """One pass over one key, as `keys_for` gives them."""
        if what == "gone":
            self._collect(objects.dependents_of(first))
            return DONE
        if what == "owner":
            key, _, uid = second.rpartition("/")
            if _fate(first, key, uid) is not Owner.LIVING:
                self._collect(objects.dependents_of(uid))
            return DONE
        found = _find(first, second)
        if found is not None:
            self._serve(found)
            self._collect([found])
        return DONE

    def full_pass(self) -> None:
        """What was missed: dependents without any living owner, and owners that wait."""
        self._collect(objects.abandoned())
        for storage in storages.everything():
            kind, deleted = storage.kind, storage.query().exclude(deleted_at="")
            for namespace, name in deleted.values_list("namespace", "name"):
                self.look("object", f"{kind.api_version} {kind.kind}", f"{namespace}/{name}")

    def _serve(self, owner: Wire) -> None:
        if not {FOREGROUND, ORPHAN} & set(owner["metadata"].get("finalizers") or ()):
            return
        dependents = objects.dependents_of(owner["metadata"]["uid"])
        self._write(serve(owner, dependents, _owners(dependents)))

    def _collect(self, dependents: list[Wire]) -> None:
        owners = _owners(dependents)
        self._write([one for one in (decide(dependent, owners) for dependent in dependents) if one])

    def _write(self, writes: list[Write]) -> None:
        for one in writes:
            if isinstance(one, Delete):
                log.info("%s %s/%s is deleted: its owners are gone", one.kind, one.namespace, one.name)
        write(writes)


def _owners(dependents: Iterable[Wire]) -> dict[str, Owner]:
    """What became of all that these objects refer to; each owner is read once."""
    found: dict[str, Owner] = {}
    for dependent in dependents:
        for reference in references_of(dependent):
            if reference["uid"] not in found:
                found[reference["uid"]] = _look_up(reference, dependent["metadata"].get("namespace", ""))
    return found


def _look_up(reference: Wire, namespace: str) -> Owner:
    return _fate(_kind_text(reference), f"{namespace}/{reference.get('name', '')}", reference["uid"])


def _fate(kind_text: str, key: str, uid: str) -> Owner:
    if _kind(kind_text) is None:
        return Owner.LIVING
    wire = _find(kind_text, key)
    if wire is None or wire["metadata"]["uid"] != uid:
        return Owner.GONE
    leaving = "deletionTimestamp" in wire["metadata"] and FOREGROUND in (wire["metadata"].get("finalizers") or ())
    return Owner.LEAVING if leaving else Owner.LIVING


def _kind_text(wire: Wire) -> str:
    return f"{wire.get('apiVersion', '')} {wire.get('kind', '')}"


def _kind(kind_text: str) -> Kind | None:
    api_version, _, word = kind_text.partition(" ")
    return definitions.by_kind(api_version, word)


def _find(kind_text: str, key: str) -> Wire | None:
    kind = _kind(kind_text)
    namespace, _, name = key.rpartition("/")
    if kind is None or (kind.namespaced and not namespace):
        return None  # a cluster-wide object cannot be owned by a namespaced one
    try:
        return objects.get(kind, namespace if kind.namespaced else "", name)
    except NotFound:
        return None
