"""The outline of every controller.

A controller supplies its kind, which other changes concern it, and an ordered list of small steps. The outline, here and
nowhere else, fetches the object, runs the steps, repeats after a lost race, and turns what a step raises into what the
queue shall do: `Wait` looks again later, `Stalled` waits for a change, anything else is a defect that is logged and
repeated with back-off. A step never sleeps, never queues and never catches `Conflict`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from controlplane.controllers.errors import Stalled, Wait
from controlplane.store import objects
from controlplane.store.errors import Conflict, NotFound
from controlplane.store.objects import ChangeRecord
from schema.base import Wire
from schema.kinds import Kind

log = logging.getLogger(__name__)

CONFLICT_ATTEMPTS = 5

Step = Callable[[Wire], None]
Key = tuple[str, str]
"""Namespace (empty for cluster-wide kinds) and name."""


@dataclass(frozen=True)
class Verdict:
    """What is to happen with the key after this pass."""

    again_after: float | None = None
    """Seconds; None: nothing, until something changes."""
    reason: str = ""


class Controller(ABC):
    """One per process; holds no state of its own between passes."""

    name: ClassVar[str]
    """In queues and logs."""
    kind: ClassVar[Kind]

    @abstractmethod
    def steps(self) -> Sequence[Step]:
        """In order. Each gets the object as it was read for this pass and is safe to repeat."""

    def gone(self, namespace: str, name: str) -> None:  # noqa: B027 - most have nothing to do
        """The object is not there (any more)."""

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        """Which keys of this controller a change concerns. Must be quick: it runs for every change."""
        if change.kind is self.kind:
            yield change.namespace, change.name

    def all_keys(self) -> Iterable[Key]:
        """What a full pass looks at."""
        for wire in objects.list_objects(self.kind).items:
            yield wire["metadata"].get("namespace", ""), wire["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> Verdict:
        """One pass over one key. Raises only what is a defect."""
        for _ in range(CONFLICT_ATTEMPTS):
            try:
                return self._pass(namespace, name)
            except Conflict as conflict:
                log.debug("%s %s/%s: %s; reading again", self.name, namespace, name, conflict)
        return Verdict(again_after=1.0, reason="somebody else keeps changing the object")

    def _pass(self, namespace: str, name: str) -> Verdict:
        try:
            found = objects.get(self.kind, namespace, name)
        except NotFound:
            self.gone(namespace, name)
            return Verdict()
        try:
            for step in self.steps():
                step(found)
        except Wait as wait:
            return Verdict(again_after=wait.after, reason=wait.reason)
        except Stalled as stalled:
            return Verdict(reason=stalled.reason)
        except NotFound:  # it, or what the step worked on, went meanwhile: that change has its own pass
            return Verdict()
        return Verdict()
