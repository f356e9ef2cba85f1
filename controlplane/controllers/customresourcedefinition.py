"""The end of a CustomResourceDefinition: its objects are deleted, and then the definition itself.

Finalizers of the objects are honoured: the definition stays, and serves them, until the last one is off. That it is served at
all needs no controller: its names are settled with each write (`store.naming`).

Reads a deleted definition and its objects. Writes: their deletions, the condition Terminating, its own finalizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.garbage import without_finalizer
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store import kinds as storages
from controlplane.store.deletion import CLEANUP
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Patch
from schema import kinds
from schema.base import Wire
from schema.custom.kinds import define
from schema.kind import Kind

LOOK_AGAIN_SECONDS = 5.0
"""The end of each object wakes us; this is the net below."""
AT_ONCE = 1000
"""Objects that one pass looks at."""


@dataclass(frozen=True)
class Instance:
    namespace: str
    name: str
    deleted: bool


@dataclass(frozen=True)
class Instances:
    kind: Kind
    some: Sequence[Instance] = ()


class CustomResourceDefinitionController(Controller[Instances | None]):
    name = "customresourcedefinition"
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    plans_deletion = True
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is self.kind:
            if "deletionTimestamp" in change.object["metadata"]:
                yield "", change.name
        elif change.type is ChangeType.DELETED and change.kind.custom is not None and change.kind.custom.terminating:
            yield "", change.kind.custom.definition

    def all_keys(self) -> Iterable[Key]:
        rows = storages.of(self.kind).query().exclude(deleted_at="")
        return [("", name) for name in rows.values_list("name", flat=True)]

    def gather(self, obj: Wire) -> Instances | None:
        if CLEANUP not in (obj["metadata"].get("finalizers") or ()):
            return None
        kind = define(obj).stored
        # Those that nobody has deleted yet come first: one that waits must not keep the others.
        rows = storages.of(kind).query().order_by("deleted_at", "namespace", "name")[:AT_ONCE]
        found = rows.values_list("namespace", "name", "deleted_at")
        return Instances(kind, [Instance(namespace, name, bool(deleted)) for namespace, name, deleted in found])

    def plan(self, obj: Wire, children: Instances | None, now: datetime) -> Plan:
        return Plan()

    def plan_deletion(self, obj: Wire, children: Instances | None, now: datetime) -> Plan:
        if children is None:
            return Plan()
        metadata = obj["metadata"]
        if not children.some:
            done = partial(without_finalizer, name=CLEANUP)
            let_go = Patch(self.kind, "", metadata["name"], done, uid=metadata["uid"])
            return Plan([Step("its objects are gone", [let_go])])
        deletions = [Delete(children.kind, one.namespace, one.name) for one in children.some if not one.deleted]
        message = f"{len(children.some)}{'+' if len(children.some) == AT_ONCE else ''} objects remain"
        return Plan(
            [Step("delete its objects", deletions)] if deletions else [],
            conditions=[Condition("Terminating", "True", "InstanceDeletionInProgress", message)],
            outcome=Wait(0.0 if deletions else LOOK_AGAIN_SECONDS, message),
        )

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        """It has a condition of its own for that."""
        return ()
