"""Whose pods are whose: those that match the selector and belong to nobody are adopted, own ones that match no more let go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from controlplane.controllers.workloads import pods
from controlplane.store import objects
from controlplane.store.errors import Conflict
from controlplane.store.objects import Patch, Write
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import LabelSelector


@dataclass(frozen=True)
class Family:
    """Objects around an owner."""

    own: Sequence[Wire] = ()
    orphans: Sequence[Wire] = ()
    """Match the selector, are nobody's, and are not on their way out."""
    strays: Sequence[Wire] = ()
    """Its own by reference, but no longer by label."""


def read(kind: Kind, owner: Wire, fits: Callable[[Wire], bool] = lambda child: True) -> Family:
    """The children of this kind. ``fits`` says what else an orphan must have to be adopted."""
    selector = LabelSelector.from_object(owner["spec"].get("selector"))
    matching = objects.list_objects(kind, namespace=owner["metadata"]["namespace"], labels=selector).items
    wanted = {"apiVersion": kind.api_version, "kind": kind.kind}
    held = [
        one
        for one in objects.dependents_of(owner["metadata"]["uid"])
        if one.items() >= wanted.items() and pods.is_controlled_by(one, owner)
    ]
    return Family(
        own=[one for one in matching if pods.is_controlled_by(one, owner)],
        orphans=[
            one for one in matching if pods.controller_of(one) is None and not pods.is_terminating(one) and fits(one)
        ],
        strays=[one for one in held if not selector.matches(one["metadata"].get("labels") or {})],
    )


def writes(family: Family, kind: Kind, owner_kind: Kind, owner: Wire) -> list[Write]:
    """Adopt and let go. An owner that is being deleted adopts nobody."""
    adopt = [] if pods.is_terminating(owner) else family.orphans
    return [
        *(_patch(kind, one, partial(_adopted, owner_kind=owner_kind, owner=owner)) for one in adopt),
        *(_patch(kind, one, partial(_released, owner=owner)) for one in family.strays),
    ]


def _patch(kind: Kind, child: Wire, change: objects.Change) -> Write:
    metadata = child["metadata"]
    return Patch(kind, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])


def _adopted(child: Wire, *, owner_kind: Kind, owner: Wire) -> Wire | None:
    if pods.is_controlled_by(child, owner):
        return None
    if pods.controller_of(child) is not None:
        raise Conflict("it has another controller", kind=kinds.POD, name=child["metadata"]["name"])
    metadata = child["metadata"]
    owners = [*(metadata.get("ownerReferences") or ()), pods.controller_reference(owner_kind, owner)]
    return {**child, "metadata": {**metadata, "ownerReferences": owners}}


def _released(child: Wire, *, owner: Wire) -> Wire:
    metadata = child["metadata"]
    uid = owner["metadata"]["uid"]
    owners = [one for one in metadata.get("ownerReferences") or () if one.get("uid") != uid]
    return {**child, "metadata": {**metadata, "ownerReferences": owners}}
