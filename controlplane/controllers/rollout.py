"""How many pods each ReplicaSet of a Deployment should have: rolling updates and proportional scaling. Pure.

Kubernetes' arithmetic, with one difference: a ReplicaSet counts as available at most what it was last told to have, because what
it has beyond that is on its way out already. So neither a late status nor a second pass takes away too much:

* there are never more pods asked for than ``wanted + surge``;
* pods are taken away only while at least ``wanted - unavailable`` others are available, and those that are not available go
  first;
* what is as it should be is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schema import amounts
from schema.base import Wire

Sizes = dict[str, int]
"""Replicas by name of the ReplicaSet."""


@dataclass(frozen=True)
class Part:
    """A ReplicaSet as the arithmetic sees it."""

    name: str
    replicas: int
    """As asked for."""
    available: int = 0
    """As its status says."""
    most: int | None = None
    """What the whole Deployment could have had (with surge) when this was last scaled."""

    @property
    def surely_available(self) -> int:
        return min(self.available, self.replicas)


@dataclass(frozen=True)
class Bounds:
    wanted: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.wanted + self.surge

    @property
    def least_available(self) -> int:
        return self.wanted - self.unavailable


def bounds(spec: Wire) -> Bounds:
    """Percentages of surge are rounded up, of unavailability down; where both become nothing, one may be unavailable."""
    wanted = int(spec.get("replicas", 1))
    strategy = spec.get("strategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(wanted, 0, 0)
    surge = amounts.resolve(rolling.get("maxSurge", "25%"), wanted, round_up=True)
    unavailable = amounts.resolve(rolling.get("maxUnavailable", "25%"), wanted, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(wanted, surge, min(unavailable, wanted))


def step(limits: Bounds, new: Part, old: Sequence[Part]) -> Sizes:
    """The next sizes of a rolling update, only those that change. ``old`` in the order of creation."""
    changed: Sizes = {}
    grown = grow(limits, new, old)
    if grown != new.replicas:
        changed[new.name] = grown
    return changed | shrink(limits, Part(new.name, grown, new.available), old)


def grow(limits: Bounds, new: Part, old: Sequence[Part]) -> int:
    """The size of the new one: as large as the surge lets it be."""
    if new.replicas >= limits.wanted:
        return limits.wanted
    room = limits.most - new.replicas - sum(part.replicas for part in old)
    return new.replicas + max(0, min(room, limits.wanted - new.replicas))


def shrink(limits: Bounds, new: Part, old: Sequence[Part]) -> Sizes:
    """The sizes of the old ones: what is not available goes first, then what is not needed for availability."""
    missing = new.replicas - new.surely_available
    spare = sum(part.replicas for part in old) + new.replicas - limits.least_available - missing
    left = {part.name: part.replicas for part in old}
    for part in old:
        sick = part.replicas - part.surely_available
        gone = max(0, min(spare, sick))
        left[part.name] -= gone
        spare -= gone
    available = new.surely_available + sum(part.surely_available for part in old)
    spare = min(spare, available - limits.least_available)
    for part in old:
        gone = max(0, min(spare, left[part.name]))
        left[part.name] -= gone
        spare -= gone
    return {part.name: left[part.name] for part in old if left[part.name] != part.replicas}


def proportional(limits: Bounds, parts: Sequence[Part]) -> Sizes:
    """The sizes when ``wanted`` changes in the middle of an update: each in proportion, the rest to the largest.

    ``parts`` are those with replicas, in the order of creation."""
    allowed = limits.most if limits.wanted else 0
    to_add = allowed - sum(part.replicas for part in parts)
    order = list(parts)
    if to_add > 0:  # where sizes are equal, the newer ones grow and the older ones shrink
        order.reverse()
    order.sort(key=lambda part: -part.replicas)
    sizes: Sizes = {}
    added = 0
    for part in order:
        share = _share(limits, part, to_add - added) if to_add else 0
        sizes[part.name] = part.replicas + share
        added += share
    for part in order:
        rest = max(-sizes[part.name], to_add - added)
        sizes[part.name] += rest
        added += rest
    return {part.name: sizes[part.name] for part in parts if sizes[part.name] != part.replicas}


def _share(limits: Bounds, part: Part, left: int) -> int:
    if part.replicas == 0 or left == 0:
        return 0
    if limits.wanted == 0:
        return -part.replicas
    before = part.most or limits.most
    share = round(part.replicas * limits.most / before) - part.replicas
    return min(max(share, 0), left) if left > 0 else max(min(share, 0), left)


def differing(sizes: Mapping[str, int], parts: Sequence[Part]) -> Sizes:
    """Of sizes, those that the parts do not have yet."""
    have = {part.name: part.replicas for part in parts}
    return {name: size for name, size in sizes.items() if have.get(name) != size}
