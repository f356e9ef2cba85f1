"""Which names of a CustomResourceDefinition are its own, decided under the revision lock with the write that asks for them.

Names are taken one by one: what a built-in kind or another definition of the group has is refused, and what was accepted
stays until it is given up. So a definition is served the moment it is stored, two can never have the same name, and nothing
is left to be mended after a crash. As Kubernetes' naming controller, words included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from controlplane.store.codec import Row
from schema import kinds, meta
from schema.base import Wire

OURS = frozenset({"slipway.dev", "metrics.k8s.io"})
"""Groups that belong to the control plane as a whole: their addresses mean more than kinds."""
_RESOURCES = ("plural", "singular", "shortNames")
_KINDS = ("kind", "listKind")
_REASONS = {
    "plural": "PluralConflict",
    "singular": "SingularConflict",
    "shortNames": "ShortNamesConflict",
    "kind": "KindConflict",
    "listKind": "ListKindConflict",
}


@dataclass
class _Taken:
    resources: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)

    def add(self, names: Wire) -> None:
        self.resources |= {each for name in _RESOURCES for each in _words(names, name)}
        self.kinds |= {each for name in _KINDS for each in _words(names, name)}


def settled(row: Row, others: Iterable[Row]) -> Wire:
    """The status of a definition, given those of the others. One that is being deleted asks for nothing more."""
    if row.deleted_at:
        return row.status
    group, wanted, status = row.spec["group"], row.spec["names"], row.status
    taken = _taken(group, [each for each in others if each.uid != row.uid])
    accepted, conflicts = _accept(wanted, status.get("acceptedNames") or {}, taken, reserved=group in OURS)
    conditions = [*_conditions(status.get("conditions") or [], conflicts)]
    storage = next(each["name"] for each in row.spec["versions"] if each.get("storage"))
    stored = list(status.get("storedVersions") or [])
    return {
        **status,
        "acceptedNames": accepted,
        "conditions": conditions,
        "storedVersions": stored if storage in stored else [*stored, storage],
    }


def terminating(status: Wire) -> Wire:
    """Of one that is to be deleted once its objects are gone."""
    message = "CustomResource deletion is in progress"
    conditions = [*_with(status.get("conditions") or [], "Terminating", "True", "InstanceDeletionInProgress", message)]
    return {**status, "conditions": conditions}


def _taken(group: str, others: Iterable[Row]) -> _Taken:
    found = _Taken()
    for kind in (*kinds.ALL, *kinds.DERIVED):
        if kind.group == group:
            words = {"plural": kind.plural, "singular": kind.singular, "shortNames": list(kind.short_names)}
            found.add({**words, "kind": kind.kind, "listKind": kind.list_kind})
    for row in others:
        if row.spec["group"] == group:
            found.add(row.status.get("acceptedNames") or {})
    return found


def _accept(wanted: Wire, present: Wire, taken: _Taken, *, reserved: bool) -> tuple[Wire, list[tuple[str, str]]]:
    """The names that are accepted by now, and the conflicts: reason and message."""
    accepted, conflicts = {"plural": "", "kind": "", **present}, []
    for name in (*_RESOURCES, *_KINDS):
        others = taken.kinds if name in _KINDS else taken.resources
        clash = sorted(word for word in _words(wanted, name) if word in others)
        if clash or reserved:
            shown = ", ".join(f'"{word}"' for word in clash)
            why = f"{shown} is already in use" if clash else "the group belongs to the control plane"
            conflicts.append((_REASONS[name], why))
        elif name in wanted:
            accepted[name] = wanted[name]
        else:
            accepted.pop(name, None)
    accepted.pop("categories", None)
    return accepted | ({"categories": wanted["categories"]} if wanted.get("categories") else {}), conflicts


def _words(names: Wire, name: str) -> list[str]:
    given = names.get(name) or []
    return given if isinstance(given, list) else [given]


def _conditions(present: list[Wire], conflicts: list[tuple[str, str]]) -> Iterator[Wire]:
    if conflicts:
        reason, message = conflicts[0]
        found = [*_with(present, "NamesAccepted", "False", reason, message)]
        was = next((each for each in present if each["type"] == "Established"), {})
        # What is served already stays so: its objects must not vanish because somebody renames it badly.
        if was.get("status") != "True":
            found = [*_with(found, "Established", "False", "NotAccepted", "not all names are accepted")]
        yield from found
        return
    found = [*_with(present, "NamesAccepted", "True", "NoConflicts", "no conflicts found")]
    yield from _with(found, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted")


def _with(present: list[Wire], kind: str, status: str, reason: str, message: str) -> Iterator[Wire]:
    """The conditions with this one; it keeps its time while its status is the same."""
    was = next((each for each in present if each["type"] == kind), None)
    since = was["lastTransitionTime"] if was and was["status"] == status and was.get("lastTransitionTime") else ""
    told = {
        "lastTransitionTime": since or meta.format_time(meta.now()),
        "message": message,
        "reason": reason,
        "status": status,
        "type": kind,
    }
    for each in present:
        yield told if each is was else each
    if was is None:
        yield told
