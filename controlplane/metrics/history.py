"""A day of usage in coarse steps, for the dashboard: of nodes, and of pods under whatever controls them. In Redis.

One sorted set a node and one a workload (`ReplicaSet/web-5d4c`, or `Pod/web` where nothing controls it), scored by the
step's beginning. Each entry is the mean over a step, written by the web process with the node's session when the step is
over. What is older than a day is dropped with each write, and a set that nobody writes to any more expires, so the whole
is bounded: about 200 bytes for each container and step, 6 MB for a node with 100 pods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import redis
from django.conf import settings

from controlplane.metrics import current
from controlplane.metrics.errors import Unavailable
from schema.session import Metrics, Usage

KEPT_SECONDS = 24 * 3600
FIELDS = tuple(Usage.model_fields)
"""The order of the numbers in an entry."""

Row = list[float | None]
"""A mean for each of `FIELDS`."""


@dataclass
class Mean:
    count: int = 0
    sums: list[float | None] = field(default_factory=lambda: [None] * len(FIELDS))

    def add(self, values: Iterable[float | None], count: int = 1) -> None:
        self.count += count
        for position, value in enumerate(values):
            if value is not None:
                self.sums[position] = (self.sums[position] or 0.0) + value * count

    def row(self) -> Row:
        return [None if each is None else round(each / self.count, 4) for each in self.sums]


@dataclass(frozen=True)
class Entry:
    """What is written of one step: ``name`` is a pod's, or empty for the node itself."""

    key: str
    step: int
    node: str
    name: str
    count: int
    usage: Row
    containers: Mapping[str, Row]

    def encode(self) -> bytes:
        return orjson.dumps([self.step, self.node, self.name, self.count, self.usage, self.containers])


class Gathering:
    """One step of one node, until it is over. Pure."""

    def __init__(self, node: str, step_seconds: int) -> None:
        self._node = node
        self._seconds = step_seconds
        self._step = -1
        self._whole = Mean()
        self._pods: dict[tuple[str, str], tuple[Mean, dict[str, Mean]]] = {}
        """By workload and pod."""

    def add(self, metrics: Metrics) -> list[Entry]:
        """What is to be written now: a step that this one is beyond."""
        step = int(metrics.at.timestamp()) // self._seconds * self._seconds
        done = self._entries() if step != self._step and self._whole.count else []
        if step != self._step:
            self._step, self._whole, self._pods = step, Mean(), {}
        self._whole.add(values(metrics.node))
        for pod in metrics.pods:
            workload = f"{pod.namespace}/{pod.controller or f'Pod/{pod.name}'}"
            usage, containers = self._pods.setdefault((workload, pod.name), (Mean(), {}))
            usage.add(values(pod.usage))
            for name, used in pod.containers.items():
                containers.setdefault(name, Mean()).add(values(used))
        return done

    def _entries(self) -> list[Entry]:
        entries = [Entry(node_key(self._node), self._step, self._node, "", self._whole.count, self._whole.row(), {})]
        for (workload, name), (usage, containers) in self._pods.items():
            rows = {each: mean.row() for each, mean in containers.items()}
            key = workload_key(workload)
            entries.append(Entry(key, self._step, self._node, name, usage.count, usage.row(), rows))
        return entries


def values(usage: Usage) -> Row:
    return [getattr(usage, name) for name in FIELDS]


def node_key(node: str) -> str:
    return f"{settings.REDIS_PREFIX}metrics:history:node:{node}"


def workload_key(workload: str) -> str:
    """``workload``: ``<namespace>/<kind>/<name>``."""
    return f"{settings.REDIS_PREFIX}metrics:history:workload:{workload}"


Steps = dict[int, Mean]


Found = dict[tuple[str, str], Steps]
"""By pod (empty for a node) and container (empty for all of the pod): the means by step."""


def read(keys: Sequence[str], since: int) -> Found:
    """Of several keys together. Raises `Unavailable`."""
    found: Found = {}
    for each in read_each(keys, since).values():
        for part, steps in each.items():
            held = found.setdefault(part, {})
            for step, mean in steps.items():
                held.setdefault(step, Mean()).add(mean.row(), mean.count)
    return found


def read_each(keys: Sequence[str], since: int) -> dict[str, Found]:
    """By key, in one round trip. Raises `Unavailable`."""
    try:
        with current.client().pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.zrangebyscore(key, since, "+inf")
            answers = pipe.execute()
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"redis, which holds the metrics, does not answer: {error}") from error
    return {key: _decoded(answer) for key, answer in zip(keys, answers, strict=True)}


def _decoded(answer: Iterable[bytes]) -> Found:
    found: Found = {}
    for entry in map(orjson.loads, answer):
        step, _node, name, count, usage, containers = entry
        for container, row in (("", usage), *containers.items()):
            found.setdefault((name, container), {}).setdefault(step, Mean()).add(row, count)
    return found


def total(parts: Iterable[Steps]) -> Steps:
    """Of several pods together: sums of what adds up, step by step; of pressures the largest."""
    whole: dict[int, Row] = {}
    for steps in parts:
        for step, mean in steps.items():
            row = mean.row()
            held = whole.get(step)
            whole[step] = row if held is None else [_join(*each) for each in zip(FIELDS, held, row, strict=True)]
    made: Steps = {}
    for step, row in whole.items():
        made[step] = Mean()
        made[step].add(row)
    return made


def _join(name: str, one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other) if name.endswith("_pressure") else one + other
