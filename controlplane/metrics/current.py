"""The latest usage of each node and of the pods on it, in Redis, where every web process and worker sees it.

One key a node holds its `Metrics` as its agent sent them; it expires, so a node that is silent has none. A reader names
the pods it wants to know about, and only the nodes of these are read. Without Redis nothing is known: readers are told so
(`Unavailable`), writers go on.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from pydantic import ValidationError

from controlplane.metrics.errors import Unavailable
from schema.base import Wire
from schema.session import Metrics, PodUsage, Usage

TIMEOUT_SECONDS = 2.0
KEPT_INTERVALS = 4
"""How many intervals without news make what is known too old to be shown."""


@dataclass(frozen=True)
class Sample:
    """Of one pod."""

    at: datetime
    window_seconds: float
    usage: Usage
    """Of the pod as a whole."""
    containers: Mapping[str, Usage]

    @property
    def cpu_cores(self) -> float:
        """Summed over its containers, as Kubernetes counts a pod."""
        return sum(each.cpu_cores for each in self.containers.values())

    @property
    def memory_bytes(self) -> int:
        return sum(each.memory_bytes for each in self.containers.values())


def key(node: str) -> str:
    return f"{settings.REDIS_PREFIX}metrics:node:{node}"


def kept_seconds() -> int:
    return max(10, round(KEPT_INTERVALS * settings.METRICS_SECONDS))


@functools.cache
def client() -> redis.Redis:
    """One per process; its pool serves the threads."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=30,
        retry=None,
    )


def of_nodes(names: Sequence[str]) -> dict[str, Metrics]:
    """The latest of each node that has sent any lately. Raises `Unavailable`."""
    if not names:
        return {}
    try:
        values: Any = client().mget([key(name) for name in names])
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"redis, which holds the metrics, does not answer: {error}") from error
    found: dict[str, Metrics] = {}
    for name, value in zip(names, values, strict=True):
        if value is not None and (metrics := _parsed(value)) is not None:
            found[name] = metrics
    return found


def of_pods(pods: Iterable[Wire]) -> dict[str, Sample]:
    """By uid, of those pods that are known: one that has just started, or whose node is silent, is not among them.

    ``pods`` are Pod objects; their uid and node are read. Raises `Unavailable` when nothing can be known at all.
    """
    nodes = {str(pod["metadata"]["uid"]): str((pod.get("spec") or {}).get("nodeName") or "") for pod in pods}
    found: dict[str, Sample] = {}
    for name, metrics in of_nodes(sorted(set(nodes.values()) - {""})).items():
        for each in metrics.pods:
            if nodes.get(each.uid) == name:
                found[each.uid] = sample(metrics, each)
    return found


def sample(metrics: Metrics, pod: PodUsage) -> Sample:
    return Sample(metrics.at, metrics.window_seconds, pod.usage, pod.containers)


def _parsed(value: bytes | str) -> Metrics | None:
    try:
        return Metrics.model_validate_json(value)
    except ValidationError:  # of another version of the control plane
        return None


def encode(metrics: Metrics) -> bytes:
    return metrics.model_dump_json(by_alias=True, exclude_defaults=True).encode()
