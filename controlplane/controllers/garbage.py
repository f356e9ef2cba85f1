"""Garbage collection by ownerReferences.

An object whose owners are all gone is deleted. A deleted owner waits for its dependents where it was deleted in the
foreground (finalizer ``foregroundDeletion``), or lets them go first where it orphans them (finalizer ``orphan``).

Reads owners and dependents of any kind. Writes: deletions of dependents, their ownerReferences, the two finalizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controlplane.controllers.base import Verdict
from controlplane.store import objects
from controlplane.store.errors import Conflict, NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Patch
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.meta import DeleteOptions, Preconditions

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


def kind_of(wire: Wire) -> Kind | None:
    return kinds.by_kind(wire.get("apiVersion", ""), wire.get("kind", ""))


def owners_of(wire: Wire) -> list[Wire]:
    return wire["metadata"].get("ownerReferences") or []


def without_owner(wire: Wire, uids: Iterable[str]) -> Wire:
    """The object without its references to these owners."""
    gone = set(uids)
    kept = [owner for owner in owners_of(wire) if owner.get("uid") not in gone]
    return {**wire, "metadata": {**wire["metadata"], "ownerReferences": kept}}


def without_finalizer(wire: Wire, name: str) -> Wire | None:
    finalizers = wire["metadata"].get("finalizers") or []
    if name not in finalizers:
        return None
    return {**wire, "metadata": {**wire["metadata"], "finalizers": [each for each in finalizers if each != name]}}


def blocks(dependent: Wire, uid: str) -> bool:
    """Whether the owner of a foreground deletion has to wait for this dependent."""
    return any(owner.get("uid") == uid and owner.get("blockOwnerDeletion") for owner in owners_of(dependent))


def _kind_text(wire: Wire) -> str:
    return f"{wire.get('apiVersion', '')} {wire.get('kind', '')}"


def _find(kind_text: str, key: str) -> Wire | None:
    api_version, _, name_of_kind = kind_text.partition(" ")
    kind = kinds.by_kind(api_version, name_of_kind)
    namespace, _, name = key.rpartition("/")
    try:
        return objects.get(kind, namespace, name) if kind is not None else None
    except NotFound:
        return None


class GarbageCollector:
    """Not one of a kind: its keys are the identities of objects of every kind."""

    def keys_for(self, change: ChangeRecord) -> Iterator[tuple[str, str, str]]:
        metadata = change.object["metadata"]
        if change.type is ChangeType.DELETED:
            yield "gone", change.uid, ""
            for owner in owners_of(change.object):
                # It may be waiting for this one.
                yield from self._owner_keys(owner, change.namespace)
        elif "deletionTimestamp" in metadata and metadata.get("finalizers"):
            yield "owner", _kind_text(change.object), f"{change.namespace}/{change.name}"
        elif change.type is ChangeType.ADDED and owners_of(change.object):
            yield "dependent", _kind_text(change.object), f"{change.namespace}/{change.name}"

    def _owner_keys(self, owner: Wire, namespace: str) -> Iterator[tuple[str, str, str]]:
        kind = kind_of(owner)
        if kind is not None:
            yield "owner", _kind_text(owner), f"{namespace if kind.namespaced else ''}/{owner.get('name', '')}"

    def look(self, what: str, first: str, second: str) -> Verdict:
        """``gone``: the uid of an object that was removed. ``owner``, ``dependent``: "<apiVersion> <kind>" and
        "<namespace>/<name>" of one that is there."""
        if what == "gone":
            for dependent in objects.dependents_of(first):
                self._collect(dependent)
            return Verdict()
        found = _find(first, second)
        if found is None:
            return Verdict()
        if what == "owner":
            self._serve(found)
        else:
            self._collect(found)
        return Verdict()

    def full_pass(self) -> None:
        """What was missed: dependents without any living owner, and owners that wait."""
        for dependent in objects.abandoned():
            self._collect(dependent)
        for kind in kinds.ALL:
            for wire in objects.list_objects(kind).items:
                finalizers = wire["metadata"].get("finalizers") or ()
                if "deletionTimestamp" in wire["metadata"] and {FOREGROUND, ORPHAN} & set(finalizers):
                    self._serve(wire)

    def _get(self, reference: Wire, dependent: Wire) -> Wire | None:
        """The owner a reference means: in the dependent's namespace or cluster-wide, and with that very uid."""
        kind = kinds.by_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        if kind is None:
            return None
        namespace = dependent["metadata"].get("namespace", "") if kind.namespaced else ""
        try:
            found = objects.get(kind, namespace, reference.get("name", ""))
        except NotFound:
            return None
        return found if found["metadata"]["uid"] == reference.get("uid") else None

    def _serve(self, owner: Wire) -> None:
        """Do what the finalizers of a deleted owner ask for."""
        metadata = owner["metadata"]
        finalizers = metadata.get("finalizers") or ()
        if "deletionTimestamp" not in metadata:
            return
        dependents = objects.dependents_of(metadata["uid"])
        if ORPHAN in finalizers:
            self._orphan(owner, dependents)
        elif FOREGROUND in finalizers:
            self._delete(dependents)
            waiting = [one for one in objects.dependents_of(metadata["uid"]) if blocks(one, metadata["uid"])]
            if not waiting:
                self._remove_finalizer(owner, FOREGROUND)

    def _orphan(self, owner: Wire, dependents: list[Wire]) -> None:
        uid = owner["metadata"]["uid"]
        writes = []
        for one in dependents:
            kind = kind_of(one)
            if kind is not None:
                metadata = one["metadata"]
                change = lambda wire: without_owner(wire, [uid])  # noqa: E731 - one line, used once
                writes.append(Patch(kind, metadata.get("namespace", ""), metadata["name"], change, uid=metadata["uid"]))
        objects.write_many(writes)
        self._remove_finalizer(owner, ORPHAN)

    def _remove_finalizer(self, owner: Wire, finalizer: str) -> None:
        kind, metadata = kind_of(owner), owner["metadata"]
        if kind is not None:
            objects.write_many(
                [
                    Patch(
                        kind,
                        metadata.get("namespace", ""),
                        metadata["name"],
                        lambda wire: without_finalizer(wire, finalizer),
                        uid=metadata["uid"],
                    )
                ]
            )

    def _collect(self, dependent: Wire) -> None:
        """Delete it if every owner is gone; else drop the references to those that are."""
        references = owners_of(dependent)
        absent = [reference["uid"] for reference in references if self._get(reference, dependent) is None]
        if not absent:
            return
        if len(absent) == len(references):
            self._delete([dependent])
            return
        kind, metadata = kind_of(dependent), dependent["metadata"]
        if kind is not None:
            change = lambda wire: without_owner(wire, absent)  # noqa: E731 - one line, used once
            objects.write_many(
                [Patch(kind, metadata.get("namespace", ""), metadata["name"], change, uid=metadata["uid"])]
            )

    def _delete(self, dependents: list[Wire]) -> None:
        writes = []
        for one in dependents:
            kind, metadata = kind_of(one), one["metadata"]
            if kind is not None and "deletionTimestamp" not in metadata:
                # Its own dependents follow in the background; another object of its name is not meant.
                options = DeleteOptions(
                    preconditions=Preconditions(uid=metadata["uid"]), propagation_policy="Background"
                )
                writes.append(Delete(kind, metadata.get("namespace", ""), metadata["name"], options))
        for result in objects.write_many(writes):
            if isinstance(result, Exception) and not isinstance(result, NotFound | Conflict):
                raise result
