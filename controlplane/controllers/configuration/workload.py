"""What a controller of workloads needs to roll them when their configuration changes: its reads and its wake-ups.

A workload asks for it by the annotation ``slipway.dev/rollout-on-config-change: "true"``, its own or that of its namespace;
its own counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import orjson

from controlplane.controllers import ownership
from controlplane.controllers.base import DONE, Controller, Key, Verdict
from controlplane.controllers.configuration import copies, references
from controlplane.controllers.configuration.decide import OBSERVED, Around
from controlplane.controllers.configuration.references import Reference
from controlplane.controllers.seen import Seen
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType
from schema import kinds
from schema.base import Wire

ASKED = "slipway.dev/rollout-on-config-change"
_KINDS = (kinds.CONFIG_MAP, kinds.SECRET)
_USERS = "/"
"""In a key's name, which has none otherwise: the workloads that use ``ConfigMap/name``; alone: all of the namespace."""
_ROTATING = "kubernetes.io/service-account-token"
"""Secrets that the cluster writes: who one is, not how one is configured."""
Children = TypeVar("Children")


class ConfiguredController(Controller[Children]):
    def __init__(self) -> None:
        self._contents, self._namespaces = Seen(), Seen()

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind in _KINDS:
            yield from ownership.owner_keys(change, self.kind)
            if not copies.is_copy(change.labels) and self._differs(change):
                yield change.namespace, Reference(change.kind.kind, change.name).key
        elif change.kind is kinds.NAMESPACE and self._namespaces.differs(change.uid, _annotation(change.object)):
            yield change.name, _USERS

    def _differs(self, change: ChangeRecord) -> bool:
        """Labels, leases and the like are no configuration."""
        if change.type is ChangeType.DELETED:
            self._contents.forget(change.uid)
            return True
        return self._contents.differs(change.uid, hash(orjson.dumps(copies.content(change.object))))

    def reconcile(self, namespace: str, name: str) -> Verdict:
        if _USERS not in name:
            return super().reconcile(namespace, name)
        verdicts = [self.reconcile(namespace, each) for each in self._users(namespace, name)]
        return min(
            (each for each in verdicts if each.again_after is not None),
            key=lambda each: each.again_after or 0.0,
            default=DONE,
        )

    def _users(self, namespace: str, key: str) -> list[str]:
        try:
            everyone = _annotation(objects.get(kinds.NAMESPACE, "", namespace)) == "true"
        except NotFound:
            return []
        found = objects.list_objects(self.kind, namespace=namespace).items
        return [each["metadata"]["name"] for each in found if _concerns(key, each, everyone=everyone)]


def _concerns(key: str, owner: Wire, *, everyone: bool) -> bool:
    template = owner["spec"].get("template") or {}
    if key == _USERS:
        return everyone or references.text_of(template) is not None
    own = _annotation(owner)
    asked = own == "true" if own else everyone
    return asked and any(ref.key == key for ref in references.references(template.get("spec") or {}))


def look(owner: Wire, templates: Sequence[Wire]) -> Around:
    """``templates`` are those of its revisions. Reads nothing but the namespace where nobody asks for it."""
    asked = is_asked(owner)
    pinned = any(references.text_of(each) is not None for each in (*templates, owner["spec"].get("template") or {}))
    if not asked and not pinned and not (owner.get("status") or {}).get(OBSERVED):
        return Around()
    namespace, selector = owner["metadata"]["namespace"], copies.selector(owner)
    made = [each for kind in _KINDS for each in objects.list_objects(kind, namespace=namespace, labels=selector).items]
    own = [
        each for each in made if ownership.is_controlled_by(each, owner) and "deletionTimestamp" not in each["metadata"]
    ]
    return Around(asked, templates, _sources(owner) if asked else {}, own)


def is_asked(owner: Wire) -> bool:
    own = _annotation(owner)
    if own:
        return own == "true"
    try:
        return _annotation(objects.get(kinds.NAMESPACE, "", owner["metadata"]["namespace"])) == "true"
    except NotFound:
        return False


def _sources(owner: Wire) -> dict[Reference, Wire]:
    found = {}
    for ref in references.references((owner["spec"].get("template") or {}).get("spec") or {}):
        kind = kinds.CONFIG_MAP if ref.kind == kinds.CONFIG_MAP.kind else kinds.SECRET
        try:
            wire = objects.get(kind, owner["metadata"]["namespace"], ref.name)
        except NotFound:
            continue
        if wire.get("type") != _ROTATING and "deletionTimestamp" not in wire["metadata"]:
            found[ref] = wire
    return found


def _annotation(wire: Wire) -> str:
    return str((wire["metadata"].get("annotations") or {}).get(ASKED, ""))
