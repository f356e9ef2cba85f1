"""How fast the number of replicas may follow what the metrics ask for. Pure; the rules are Kubernetes' (horizontal.go).

Stabilization: going up, the lowest recommendation of the window counts; going down, the highest. Policies: within a period the
number may change by so many pods or so many percent of what there was at the period's beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schema import meta
from schema.base import Wire

DOWN_WINDOW_SECONDS = 300
LONGEST_WINDOW = timedelta(seconds=3600)
LONGEST_PERIOD = timedelta(seconds=1800)
_UP: Wire = {
    "stabilizationWindowSeconds": 0,
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Wire = {"policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


@dataclass(frozen=True)
class Moment:
    """A recommendation, or a change (then ``replicas`` is the difference)."""

    at: datetime
    replicas: int

    def wire(self) -> Wire:
        return {"at": meta.format_time(self.at), "replicas": self.replicas}


@dataclass(frozen=True)
class Paced:
    replicas: int
    stabilized: str = ""
    """up or down where the window held it back."""
    limited: str = ""
    """The reason of ScalingLimited; empty where nothing limits it."""


def read(entries: Iterable[Wire]) -> list[Moment]:
    return [Moment(meta.parse_time(each["at"]), int(each["replicas"])) for each in entries]


def rules(behavior: Wire | None, *, up: bool) -> Wire:
    given: Wire = (behavior or {}).get("scaleUp" if up else "scaleDown") or {}
    return {**(_UP if up else _DOWN), **given}


def remember(known: Sequence[Moment], new: Moment) -> list[Moment]:
    """Recommendations that may still be the lowest or the highest of a window ending now or later."""
    kept: list[Moment] = []
    lowest = highest = new.replicas
    for each in sorted(known, key=lambda one: one.at, reverse=True):
        if new.at - each.at > LONGEST_WINDOW:
            break
        if each.replicas < lowest or each.replicas > highest:
            kept.append(each)
            lowest, highest = min(lowest, each.replicas), max(highest, each.replicas)
    return [*reversed(kept), new]


def recent(changes: Sequence[Moment], now: datetime) -> list[Moment]:
    return [each for each in changes if now - each.at <= LONGEST_PERIOD]


def pace(
    wanted: int,
    current: int,
    bounds: tuple[int, int],
    behavior: Wire | None,
    history: tuple[Sequence[Moment], Sequence[Moment]],
    now: datetime,
) -> Paced:
    """``bounds`` are the least and the most; ``history`` the earlier recommendations and the changes made."""
    recommendations, changes = history
    stable = _stabilized(wanted, current, behavior, recommendations, now)
    held = "" if stable == wanted else "up" if wanted > stable else "down"
    low, high = bounds
    if stable > current:
        limit = max(_limit(current, rules(behavior, up=True), changes, now, up=True), current)
        most, reason = (high, "TooManyReplicas") if high <= limit else (limit, "ScaleUpLimit")
        replicas = min(stable, most)
        return Paced(replicas, held, reason if stable > most else "")
    if stable < current:
        limit = min(_limit(current, rules(behavior, up=False), changes, now, up=False), current)
        least, reason = (low, "TooFewReplicas") if low >= limit else (limit, "ScaleDownLimit")
        replicas = max(stable, least)
        return Paced(replicas, held, reason if stable < least else "")
    bounded = min(max(stable, low), high)
    reason = (
        ""
        if bounded == wanted or held
        else "TooManyReplicas"
        if wanted > high
        else "TooFewReplicas"
        if wanted < low
        else ""
    )
    return Paced(bounded, held, reason)


def _stabilized(
    wanted: int, current: int, behavior: Wire | None, recommendations: Sequence[Moment], now: datetime
) -> int:
    def window(*, up: bool) -> timedelta:
        given = rules(behavior, up=up).get("stabilizationWindowSeconds")
        return timedelta(seconds=DOWN_WINDOW_SECONDS if given is None else given)

    lowest = min([wanted, *(each.replicas for each in recommendations if now - each.at < window(up=True))])
    highest = max([wanted, *(each.replicas for each in recommendations if now - each.at < window(up=False))])
    return min(max(current, lowest), highest)


def _limit(current: int, wanted: Wire, changes: Sequence[Moment], now: datetime, *, up: bool) -> int:
    """How far the policies allow it to go now."""
    select = wanted.get("selectPolicy") or "Max"
    if select == "Disabled":
        return current
    limits = [_policy_limit(current, policy, changes, now, up=up) for policy in wanted.get("policies") or ()]
    if not limits:
        return current
    return max(limits) if up is (select == "Max") else min(limits)


def _policy_limit(current: int, policy: Wire, changes: Sequence[Moment], now: datetime, *, up: bool) -> int:
    period = timedelta(seconds=policy["periodSeconds"])
    start = current - sum(each.replicas for each in changes if now - each.at < period)
    value: int = policy["value"]
    if policy["type"] == "Pods":
        return start + value if up else start - value
    if up:
        return math.ceil(start * (100 + value) / 100)
    return math.floor(start * max(100 - value, 0) / 100)
