"""The projected objects of the cluster, held once per web process for all its node sessions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from controlplane.nodes.cluster import PROJECTIONS, Projection
from controlplane.store.record import ChangeRecord, ChangeType
from schema.base import Wire
from schema.kinds import Kind
from schema.session import ClusterKey


class Key(NamedTuple):
    kind: str
    namespace: str
    name: str

    def wire(self) -> ClusterKey:
        return ClusterKey(kind=self.kind, namespace=self.namespace, name=self.name)


class World:
    def __init__(self, projections: Mapping[Kind, Projection] = PROJECTIONS) -> None:
        self._projections = projections
        self._objects: dict[Key, Wire] = {}
        self._revisions: dict[Key, int] = {}

    def everything(self) -> list[Wire]:
        return list(self._objects.values())

    def load(self, found: Iterable[tuple[Kind, Wire]], *, cluster: Wire | None = None) -> None:
        """Start over from lists of the store. ``cluster`` says what holds for all of it, as ``Cluster`` named ``cluster``."""
        self._objects, self._revisions = {}, {}
        if cluster is not None:
            whole = {"kind": "Cluster", "metadata": {"name": "cluster"}, "spec": cluster}
            self._objects[Key("Cluster", "", "cluster")] = whole
        for kind, wire in found:
            metadata = wire["metadata"]
            key = Key(kind.kind, metadata.get("namespace", ""), metadata["name"])
            self._revisions[key] = int(metadata["resourceVersion"])
            self._set(key, self._project(kind, wire))

    def changed(self, change: ChangeRecord) -> Key | None:
        """The key of what is different for agents now; None if nothing is. A change older than what was loaded is old news."""
        key = Key(change.kind.kind, change.namespace, change.name)
        if change.kind not in self._projections or change.revision <= self._revisions.get(key, 0):
            return None
        if change.type is ChangeType.DELETED:
            self._revisions.pop(key, None)
            return key if self._set(key, None) else None
        self._revisions[key] = change.revision
        return key if self._set(key, self._project(change.kind, change.object)) else None

    def get(self, key: Key) -> Wire | None:
        return self._objects.get(key)

    def of_kind(self, kind: str) -> list[Wire]:
        return [wire for key, wire in self._objects.items() if key.kind == kind]

    def _project(self, kind: Kind, wire: Wire) -> Wire | None:
        projected = self._projections[kind](wire)
        if projected is None:
            return None
        own = wire["metadata"]
        names = {"name": own["name"], **({"namespace": own["namespace"]} if own.get("namespace") else {})}
        return {"kind": kind.kind, **projected, "metadata": {**projected.get("metadata", {}), **names}}

    def _set(self, key: Key, wire: Wire | None) -> bool:
        """Whether that changes anything."""
        if self._objects.get(key) == wire:
            return False
        if wire is None:
            del self._objects[key]
        else:
            self._objects[key] = wire
        return True
