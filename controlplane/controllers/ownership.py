"""Whose is it: the one controller among an object's owners, and adoption and release by selector. Pure.

As Kubernetes' ControllerRefManager: a controller adopts what its selector matches and nobody controls, and releases what
it controls and no longer matches. It adopts nothing while it is being deleted, and nothing that is being deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from controlplane.store.objects import ChangeRecord, ChangeType, Patch
from schema.base import Wire
from schema.kinds import Kind
from schema.selectors import LabelSelector

if TYPE_CHECKING:
    from controlplane.controllers.base import Key


def reference(owner: Wire) -> Wire:
    """The ownerReference of the controller of an object; a foreground deletion of it waits for the object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(wire: Wire) -> Wire | None:
    """The ownerReference that controls an object."""
    owners = wire["metadata"].get("ownerReferences") or ()
    return next((each for each in owners if each.get("controller")), None)


def is_controlled_by(wire: Wire, owner: Wire) -> bool:
    found = controller_of(wire)
    return found is not None and found["uid"] == owner["metadata"]["uid"]


def owner_keys(change: ChangeRecord, kind: Kind) -> Iterable[Key]:
    """For `keys_for`: the object of ``kind`` that controls what changed."""
    found = controller_of(change.object)
    if found is not None and (found.get("apiVersion"), found.get("kind")) == (kind.api_version, kind.kind):
        yield change.namespace, found["name"]


def is_up_for_adoption(change: ChangeRecord) -> bool:
    """For `keys_for`: something without a controller appeared, or got other labels. Whoever selects it cannot be known
    without reading, so controllers look at their whole namespace (the key without a name)."""
    if change.type is ChangeType.DELETED or controller_of(change.object) is not None:
        return False
    return change.type is ChangeType.ADDED or change.previous_labels != change.labels


@dataclass(frozen=True)
class Claims:
    """``mine`` is what the owner controls after the patches are taken."""

    mine: Sequence[Wire] = ()
    adopted: Sequence[Wire] = ()
    released: Sequence[Wire] = ()

    def writes(self, kind: Kind, owner: Wire) -> list[Patch]:
        """Each is done only to the very object that was looked at; who adopts it in between wins."""
        adopt = partial(with_controller, owner=owner)
        release = partial(without_controller, uid=owner["metadata"]["uid"])
        return [_patch(kind, each, adopt) for each in self.adopted] + [
            _patch(kind, each, release) for each in self.released
        ]


def claim(owner: Wire, selector: LabelSelector, candidates: Iterable[Wire]) -> Claims:
    """Which of the candidates are the owner's. They are what it controls, and what its selector matches."""
    mine, adopted, released = [], [], []
    leaving = "deletionTimestamp" in owner["metadata"]
    for each in candidates:
        matches = selector.matches(each["metadata"].get("labels"))
        controller = controller_of(each)
        if controller is not None:
            if controller["uid"] != owner["metadata"]["uid"]:
                continue
            if matches:
                mine.append(each)
            elif not leaving:
                released.append(each)
        elif matches and not leaving and "deletionTimestamp" not in each["metadata"]:
            adopted.append(each)
            mine.append(each)
    return Claims(mine, adopted, released)


def with_controller(wire: Wire, owner: Wire) -> Wire | None:
    if controller_of(wire) is not None or "deletionTimestamp" in wire["metadata"]:
        return None
    metadata = wire["metadata"]
    uid = owner["metadata"]["uid"]
    others = [each for each in metadata.get("ownerReferences") or () if each["uid"] != uid]
    return {**wire, "metadata": {**metadata, "ownerReferences": [*others, reference(owner)]}}


def without_controller(wire: Wire, uid: str) -> Wire | None:
    metadata = wire["metadata"]
    kept = [each for each in metadata.get("ownerReferences") or () if each["uid"] != uid]
    return {**wire, "metadata": {**metadata, "ownerReferences": kept}}


def _patch(kind: Kind, wire: Wire, change: partial[Wire | None]) -> Patch:
    metadata = wire["metadata"]
    return Patch(kind, metadata.get("namespace", ""), metadata["name"], change, uid=metadata["uid"])
