"""One change as readers see it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from controlplane.store.storage import Storage
from schema.base import Wire
from schema.kinds import Kind

if TYPE_CHECKING:
    from schema.selectors import FieldSelector, LabelSelector


class ChangeType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class ChangeRecord:
    """Immutable and shared between all watchers of a process; what is costly is worked out once, when first asked for.

    ``object`` is shared as well: whoever wants to change it takes a copy.
    """

    def __init__(
        self,
        *,
        revision: int,
        storage: Storage,
        type: ChangeType,  # noqa: A002 - the wire's word
        namespace: str,
        name: str,
        uid: str,
        json: bytes,
        previous: tuple[Mapping[str, str], Mapping[str, str]] | None = None,
        at: float = 0.0,
    ) -> None:
        self.revision = revision
        self.storage = storage
        self.type = type
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.json = json
        """The object, encoded."""
        self.at = at
        self._previous = previous
        self._frames: dict[str, bytes] = {}

    @property
    def changed_from(self) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
        """Labels and selectable fields before, if this change altered them."""
        return self._previous

    def __repr__(self) -> str:
        return f"<{self.revision} {self.type} {self.storage.id} {self.namespace}/{self.name}>"

    @property
    def kind(self) -> Kind:
        return self.storage.kind

    @cached_property
    def object(self) -> Wire:
        parsed: Wire = orjson.loads(self.json)
        return parsed

    def forget(self) -> None:
        """Give back the memory of what can be worked out again."""
        self.__dict__.pop("object", None)
        self._frames.clear()

    @cached_property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.object["metadata"].get("labels") or {}
        return labels

    @cached_property
    def fields(self) -> dict[str, str]:
        return self.kind.field_values(self.object)

    @property
    def previous_labels(self) -> Mapping[str, str]:
        return self._previous[0] if self._previous else self.labels

    @property
    def previous_fields(self) -> Mapping[str, str]:
        return self._previous[1] if self._previous else self.fields

    def seen_through(self, labels: LabelSelector | None, fields: FieldSelector | None) -> ChangeType | None:
        """What a watch with these selectors is to be told: an object that stops matching is DELETED for it, one that
        starts matching is ADDED, and None is not its concern."""
        if labels is None and fields is None:
            return self.type
        now = _matches(labels, fields, self.labels, self.fields)
        if self.type is ChangeType.ADDED:
            return ChangeType.ADDED if now else None
        before = now if self._previous is None else _matches(labels, fields, *self._previous)
        if self.type is ChangeType.DELETED:
            return ChangeType.DELETED if before or now else None
        return _TRANSITIONS[before, now]

    def frame(self, type: ChangeType | None = None) -> bytes:  # noqa: A002 - the wire's word
        """One line of a watch: ``{"type": …, "object": …}``."""
        word = type or self.type
        frame = self._frames.get(word)
        if frame is None:
            frame = self._frames[word] = b'{"type":"%b","object":%b}\n' % (word.encode(), self.json)
        return frame


_TRANSITIONS: dict[tuple[bool, bool], ChangeType | None] = {
    (True, True): ChangeType.MODIFIED,
    (True, False): ChangeType.DELETED,
    (False, True): ChangeType.ADDED,
    (False, False): None,
}


def _matches(
    labels: LabelSelector | None, fields: FieldSelector | None, of_labels: Any, of_fields: Mapping[str, str]
) -> bool:
    return (labels is None or labels.matches(of_labels)) and (fields is None or fields.matches(of_fields))
