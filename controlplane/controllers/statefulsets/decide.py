"""What to do next with the pods of a StatefulSet. Pure.

Three parts, in this order: every wanted ordinal has a pod; surplus pods go, the highest ordinal first; pods of an old revision
are replaced, the highest first and never more than may be unavailable. With OrderedReady each part waits until the one
before it has nothing left to do, and does one thing at a time.

An ordinal is taken as long as its pod exists, whatever its node is at: there are never two of one name. Other than in
Kubernetes an outdated pod that is not available is replaced at once, so that a broken update can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Replica:
    """A pod that there is."""

    ordinal: int
    revision: str = ""
    """Name of the revision that it was made from."""
    available: bool = False
    terminating: bool = False
    finished: bool = False
    """It has ended, and will not start again."""
    blocked: str = ""
    """Why this ordinal can have no pod before something else has happened, or why its pod does not go."""


@dataclass(frozen=True)
class Wanted:
    replicas: int
    start: int = 0
    ordered: bool = True
    rolling: bool = True
    """Replace outdated pods; False: only those that somebody else deletes."""
    partition: int = 0
    """Counted from ``start``."""
    max_unavailable: int = 1
    current: str = "a"
    update: str = "a"

    @property
    def ordinals(self) -> range:
        return range(self.start, self.start + self.replicas)

    def revision_for(self, ordinal: int) -> str:
        """What a pod of this ordinal is made from now."""
        return self.current if self.rolling and ordinal < self.start + self.partition else self.update

    def is_outdated(self, replica: Replica) -> bool:
        return self.rolling and replica.revision != self.revision_for(replica.ordinal) and self._is_in(replica.ordinal)

    def _is_in(self, ordinal: int) -> bool:
        return self.start + self.partition <= ordinal < self.start + self.replicas


@dataclass(frozen=True)
class Decision:
    create: Sequence[int] = ()
    delete: Sequence[int] = ()
    waits: str = ""
    """What is waited for; empty where all is as it should be, or something is done now."""

    def __bool__(self) -> bool:
        return bool(self.create or self.delete)


def decide(wanted: Wanted, replicas: Mapping[int, Replica], blocked: Mapping[int, str] | None = None) -> Decision:
    """``blocked`` are ordinals without a pod that can have none yet, and why."""
    filled = _fill(wanted, replicas, blocked or {})
    if wanted.ordered and (filled or filled.waits):
        return filled
    thinned = _thin(wanted, replicas)
    if wanted.ordered and (thinned or thinned.waits):
        return thinned
    updated = _update(wanted, replicas, without=filled.delete)
    return Decision(
        create=filled.create,
        delete=(*filled.delete, *thinned.delete, *updated.delete),
        waits=filled.waits or thinned.waits or updated.waits,
    )


def _fill(wanted: Wanted, replicas: Mapping[int, Replica], blocked: Mapping[int, str]) -> Decision:
    create: list[int] = []
    delete: list[int] = []
    waits: list[str] = []
    for ordinal in wanted.ordinals:
        replica = replicas.get(ordinal)
        if replica is None and ordinal in blocked:
            waits.append(blocked[ordinal])
        elif replica is None:
            create.append(ordinal)
        elif replica.terminating:
            waits.append(replica.blocked or f"pod {ordinal} is ending")
        elif replica.finished or (wanted.is_outdated(replica) and not replica.available):
            delete.append(ordinal)
        elif not replica.available:
            waits.append(replica.blocked or f"pod {ordinal} is not available yet")
        if wanted.ordered and (create or delete or waits):
            break
    return Decision(create, delete, _first(waits))


def _thin(wanted: Wanted, replicas: Mapping[int, Replica]) -> Decision:
    surplus = sorted((one for one in replicas if one not in wanted.ordinals), reverse=True)
    ending = [one for one in surplus if replicas[one].terminating]
    waits = _first(replicas[one].blocked or f"pod {one} is ending" for one in ending)
    if wanted.ordered:
        return Decision(delete=surplus[:1] if not ending else (), waits=waits)
    return Decision(delete=[one for one in surplus if not replicas[one].terminating], waits=waits)


def _update(wanted: Wanted, replicas: Mapping[int, Replica], *, without: Sequence[int]) -> Decision:
    """Available pods, within what may be unavailable; the others were dealt with by `_fill`."""
    present = [replicas[one] for one in wanted.ordinals if one in replicas]
    up = [one for one in present if one.available and not one.terminating and not one.finished]
    budget = wanted.max_unavailable - (wanted.replicas - len(up))
    outdated = [one.ordinal for one in up if wanted.is_outdated(one) and one.ordinal not in without]
    outdated.sort(reverse=True)
    chosen = outdated[: max(budget, 0)]
    waits = "" if chosen or not outdated else f"pod {outdated[0]} is replaced when enough others are available"
    return Decision(delete=chosen, waits=waits)


def _first(sentences: Iterable[str]) -> str:
    return next(iter(sentences), "")
