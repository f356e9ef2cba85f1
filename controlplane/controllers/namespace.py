"""The end of a namespace: everything in it is deleted, in an order, and then the namespace itself.

Pods go first and are waited for, because ending gracefully they may still need their ConfigMaps and Secrets; events go
last, because the others' end still writes them. Finalizers are honoured: an object that has one stays until it is taken
off, and the namespace says so.

Reads a deleted namespace and what is in it. Writes: deletions of content, the namespace's conditions, its end. ``default``
and ``kube-*`` are protected by the store, which refuses to mark them deleted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.plan import Condition, Plan, Step
from controlplane.store import definitions
from controlplane.store import kinds as storages
from controlplane.store.objects import ChangeRecord, ChangeType, Delete, Finish
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

LOOK_AGAIN_SECONDS = 5.0
"""Each deletion of content wakes us; this is the net below."""
_FIRST, _LAST = (kinds.POD,), (kinds.EVENT,)
_QUIET = (kinds.EVENT, kinds.LEASE)
"""Too many come and go to wake a namespace by each; they have no finalizers and go when they are told to."""


@dataclass(frozen=True)
class Item:
    """An object in the namespace."""

    name: str
    deleted: bool = False
    finalizers: tuple[str, ...] = ()


Content = Mapping[Kind, Sequence[Item]]
"""What is there, by kind; kinds of which there is nothing are left out."""


def stages(custom: Iterable[Kind] = ()) -> list[list[Kind]]:
    """Kinds in the order of their end; a stage begins when nothing is left of the one before."""
    namespaced = [kind for kind in (*kinds.ALL, *custom) if kind.namespaced]
    middle = [kind for kind in namespaced if kind not in (*_FIRST, *_LAST)]
    return [list(_FIRST), middle, list(_LAST)]


class NamespaceController(Controller[Content]):
    name = "namespace"
    kind = kinds.NAMESPACE
    plans_deletion = True
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.NAMESPACE:
            if change.type is ChangeType.MODIFIED:
                yield "", change.name
        elif change.namespace and change.type is ChangeType.DELETED and change.kind not in _QUIET:
            yield "", change.namespace

    def all_keys(self) -> Iterable[Key]:
        model = storages.of(kinds.NAMESPACE).model
        return [("", name) for name in model._default_manager.exclude(deleted_at="").values_list("name", flat=True)]

    def gather(self, obj: Wire) -> Content:
        if "deletionTimestamp" not in obj["metadata"]:
            return {}
        custom = [each.stored for each in definitions.current().all]
        found = {kind: _items(kind, obj["metadata"]["name"]) for stage in stages(custom) for kind in stage}
        return {kind: items for kind, items in found.items() if items}

    def plan(self, obj: Wire, children: Content, now: datetime) -> Plan:
        return Plan()

    def plan_deletion(self, obj: Wire, children: Content, now: datetime) -> Plan:
        name = obj["metadata"]["name"]
        if not children:
            return self._plan_end(obj)
        custom = [kind for kind in children if kind.custom is not None]
        stage = next(stage for stage in stages(custom) if any(kind in children for kind in stage))
        writes = [
            Delete(kind, name, item.name) for kind in stage for item in children.get(kind, ()) if not item.deleted
        ]
        content = _content(children)
        held = any(item.deleted for kind in stage for item in children.get(kind, ())) or kinds.POD in stage
        return Plan(
            steps=[Step("empty", writes)] if writes else [],
            conditions=[content, _finalizers(children)],
            status={"phase": "Terminating"},
            outcome=Wait(LOOK_AGAIN_SECONDS if held else 0.0, content.message),
        )

    def _plan_end(self, obj: Wire) -> Plan:
        metadata = obj["metadata"]
        own = metadata.get("finalizers") or ()
        return Plan(
            steps=[] if own else [Step("end", [Finish(self.kind, "", metadata["name"], metadata["uid"])])],
            conditions=[_content({}), _finalizers({})] if own else [],
            status={"phase": "Terminating"} if own else {},
            outcome=Stalled(f"the namespace's own finalizers have to be taken off: {', '.join(own)}") if own else None,
        )

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        """Namespaces have conditions of their own for that."""
        return ()


def _content(content: Content) -> Condition:
    if not content:
        return Condition("NamespaceContentRemaining", "False", "ContentRemoved", "All content successfully removed")
    some = ", ".join(f"{kind} has {len(items)} resource instances" for kind, items in content.items())
    return Condition(
        "NamespaceContentRemaining", "True", "SomeResourcesRemain", f"Some resources are remaining: {some}"
    )


def _finalizers(content: Content) -> Condition:
    counts = Counter(name for items in content.values() for item in items if item.deleted for name in item.finalizers)
    if not counts:
        return Condition(
            "NamespaceFinalizersRemaining",
            "False",
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        )
    some = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(counts.items()))
    return Condition(
        "NamespaceFinalizersRemaining",
        "True",
        "SomeFinalizersRemain",
        f"Some content in the namespace has finalizers remaining: {some}",
    )


def _items(kind: Kind, namespace: str) -> list[Item]:
    rows = storages.of(kind).query().filter(namespace=namespace).order_by("name")
    return [
        Item(name, bool(deleted_at), _finalizers_in(metadata) if deleted_at else ())
        for name, deleted_at, metadata in rows.values_list("name", "deleted_at", "metadata")
    ]


def _finalizers_in(metadata: str) -> tuple[str, ...]:
    return tuple(orjson.loads(metadata).get("finalizers") or ()) if metadata.startswith("{") else ()
