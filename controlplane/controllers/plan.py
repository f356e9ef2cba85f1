"""What a controller decides, as values: steps of writes and events, conditions, and when to look again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.store.objects import Write
from schema import meta
from schema.base import Wire


@dataclass(frozen=True)
class Condition:
    type: str
    status: str
    """True, False or Unknown; empty: the object shall not have this condition."""
    reason: str = ""
    message: str = ""
    updated: str = ""
    """Its lastUpdateTime, in kinds whose conditions have one."""

    def wire(self) -> Wire:
        updated = {"lastUpdateTime": self.updated} if self.updated else {}
        return {"type": self.type, "status": self.status, "reason": self.reason, "message": self.message, **updated}


@dataclass(frozen=True)
class Step:
    """A named piece of work: its writes in one transaction, then its events. ``told`` has one for each of the writes,
    which then all make something; it is said of those that are made, also where the store refuses others.

    A step is safe to repeat. ``act`` is for what no write of the store can say; it may raise `Wait`, `Stalled` and
    `Conflict`, and it never sleeps or queues.
    """

    name: str
    writes: Sequence[Write] = ()
    events: Sequence[Record] = ()
    act: Callable[[], None] | None = None
    told: Sequence[Record] = ()


@dataclass(frozen=True)
class Plan:
    """Steps are taken in order; the first that cannot be taken ends the pass. Status and conditions are written in any
    case, so that nothing is ever pending without a sentence saying why."""

    steps: Sequence[Step] = ()
    conditions: Sequence[Condition] = ()
    status: Wire = field(default_factory=dict)
    """Fields of the status to set; those that are None go."""
    outcome: Wait | Stalled | None = None
    """What is still missing after all steps; None: the object is as it should be."""


def merge(present: Iterable[Wire], wanted: Iterable[Condition], now: datetime, generation: int | None) -> list[Wire]:
    """The conditions with these set. Others stay; a condition whose status is the same keeps its transition time, and
    with ``generation`` each says which generation it speaks of."""
    conditions = {each["type"]: each for each in present}
    for one in wanted:
        if not one.status:
            conditions.pop(one.type, None)
            continue
        held = conditions.get(one.type, {})
        since = held.get("lastTransitionTime") if held.get("status") == one.status else None
        observed = {} if generation is None else {"observedGeneration": generation}
        conditions[one.type] = {**one.wire(), **observed, "lastTransitionTime": since or meta.format_time(now)}
    return list(conditions.values())


def find(wire: Wire, type_: str) -> Wire:
    """A condition of an object; empty where it has none of the type."""
    conditions = (wire.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each.get("type") == type_), {})
