"""How many replicas a metric asks for. Pure; the rules are Kubernetes' (replica_calculator.go).

Pods that are not ready yet are left out, and where they might need more they are taken to use nothing; pods without metrics
are taken to use all they may when it would go down and nothing when it would go up. So neither a start nor a silent node
makes it swing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controlplane.controllers.plan import find
from schema import meta, quantity
from schema.base import Wire

INITIALIZATION = timedelta(minutes=5)
"""After its start the cpu of a pod counts only while it is ready, and only measured after it became so."""
INITIAL_READINESS = timedelta(seconds=30)
"""A pod that was never ready later than that after its start has not been ready at all."""
DEFAULT_TOLERANCE = 0.1


class NoMetric(Exception):
    """The metric cannot be worked out; the text says why."""


@dataclass(frozen=True)
class Reading:
    """What a pod uses of a resource: thousandths of a cpu, or bytes."""

    amount: int
    at: datetime
    window: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class Target:
    resource: str
    container: str = ""
    """Only this container of each pod; empty: all."""
    utilization: int | None = None
    """Percent of the request."""
    average: int | None = None
    """Amount for each pod."""


@dataclass(frozen=True)
class Tolerance:
    up: float = DEFAULT_TOLERANCE
    down: float = DEFAULT_TOLERANCE

    def holds(self, ratio: float) -> bool:
        """On the target, as far as need be. A hair more is allowed: 1.1 - 1 is more than 0.1 in binary."""
        return 1.0 - self.down - 1e-9 <= ratio <= 1.0 + self.up + 1e-9


@dataclass(frozen=True)
class Proposal:
    replicas: int
    utilization: int | None
    average: int


@dataclass
class _Groups:
    ready: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def propose(
    pods: Sequence[Wire],
    readings: Mapping[str, Reading],
    target: Target,
    *,
    replicas: int,
    now: datetime,
    tolerance: Tolerance | None = None,
) -> Proposal:
    """``readings`` by uid; ``replicas`` are those of the target's spec. Raises `NoMetric`."""
    tolerance = tolerance or Tolerance()
    if not pods:
        raise NoMetric("no pods match the target's selector")
    groups = _group(pods, readings, target, now)
    counted = [uid for uid in groups.ready if uid in readings]
    if not counted:
        raise NoMetric(f"no metrics of {target.resource} are known of any ready pod")
    by_uid = {pod["metadata"]["uid"]: pod for pod in pods}
    amounts = {uid: readings[uid].amount for uid in counted}
    aims = _aims(by_uid, [*counted, *groups.unready, *groups.missing], target)
    ratio = _ratio(amounts, aims)
    average = sum(amounts.values()) // len(amounts)
    utilization = _utilization(amounts, aims, target)
    waiting = bool(groups.unready) and ratio > 1.0
    if not waiting and not groups.missing:
        wanted = replicas if tolerance.holds(ratio) else _ceil(ratio * len(counted))
        return Proposal(wanted, utilization, average)
    _assume(amounts, aims, groups, target, ratio, waiting=waiting)
    cautious = _ratio(amounts, aims)
    wanted = _ceil(cautious * len(amounts))
    turned = (ratio < 1.0 < cautious) or (cautious < 1.0 < ratio)
    contrary = (cautious < 1.0 and wanted > replicas) or (cautious > 1.0 and wanted < replicas)
    if tolerance.holds(cautious) or turned or contrary:
        wanted = replicas
    return Proposal(wanted, utilization, average)


def _ceil(value: float) -> int:
    return math.ceil(value - 1e-9)


def _group(pods: Sequence[Wire], readings: Mapping[str, Reading], target: Target, now: datetime) -> _Groups:
    groups = _Groups()
    for pod in pods:
        uid, phase = pod["metadata"]["uid"], (pod.get("status") or {}).get("phase")
        if "deletionTimestamp" in pod["metadata"] or phase in ("Failed", "Succeeded"):
            continue
        reading = readings.get(uid)
        if phase in (None, "", "Pending"):
            groups.unready.append(uid)
        elif reading is None:
            groups.missing.append(uid)
        elif target.resource == "cpu" and _is_warming_up(pod, reading, now):
            groups.unready.append(uid)
        else:
            groups.ready.append(uid)
    return groups


def _is_warming_up(pod: Wire, reading: Reading, now: datetime) -> bool:
    """Its cpu says nothing yet about the load."""
    ready = find(pod, "Ready")
    started = (pod.get("status") or {}).get("startTime")
    if not ready or not started:
        return True
    begun = meta.parse_time(started)
    since = meta.parse_time(ready.get("lastTransitionTime") or started)
    is_ready = ready.get("status") == "True"
    if begun + INITIALIZATION > now:
        return not is_ready or reading.at < since + reading.window
    return not is_ready and begun + INITIAL_READINESS > since


def _aims(by_uid: Mapping[str, Wire], uids: Sequence[str], target: Target) -> dict[str, float]:
    """What each pod should use."""
    if target.utilization is None:
        return dict.fromkeys(uids, float(target.average or 1))
    return {uid: request(by_uid[uid], target) * target.utilization / 100 for uid in uids}


def request(pod: Wire, target: Target) -> int:
    """Of the pod's containers together, or of the one meant. Raises `NoMetric` where one has none."""
    spec = pod.get("spec") or {}
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    containers = [*(spec.get("containers") or ()), *sidecars]
    meant = [each for each in containers if target.container in ("", each["name"])]
    name = pod["metadata"]["name"]
    if not meant:
        raise NoMetric(f"container {target.container} not present in Pod {name}")
    total = 0
    for container in meant:
        given = ((container.get("resources") or {}).get("requests") or {}).get(target.resource)
        if given is None:
            raise NoMetric(f"missing request for {target.resource} in container {container['name']} of Pod {name}")
        total += quantity.cpu_millis(given) if target.resource == "cpu" else quantity.bytes_(given)
    if not total:
        raise NoMetric(f"the request for {target.resource} of Pod {name} is zero")
    return total


def _ratio(amounts: Mapping[str, int], aims: Mapping[str, float]) -> float:
    return sum(amounts.values()) / sum(aims[uid] for uid in amounts)


def _utilization(amounts: Mapping[str, int], aims: Mapping[str, float], target: Target) -> int | None:
    return None if target.utilization is None else int(_ratio(amounts, aims) * target.utilization + 1e-9)


def _assume(
    amounts: dict[str, int], aims: Mapping[str, float], groups: _Groups, target: Target, ratio: float, *, waiting: bool
) -> None:
    """Amounts for those of whom none is known: full use when it would go down, none when it would go up."""
    if ratio < 1.0:
        full = 1.0 if target.utilization is None else max(100, target.utilization) / target.utilization
        amounts.update({uid: int(aims[uid] * full) for uid in groups.missing})
    elif ratio > 1.0:
        amounts.update(dict.fromkeys(groups.missing, 0))
    if waiting:
        amounts.update(dict.fromkeys(groups.unready, 0))
