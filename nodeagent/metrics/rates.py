"""From two readings of counters to what was used between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schema.session import Metrics, PodUsage, Usage

MIN_SECONDS = 0.5
"""Between two readings; over less a rate is noise."""


@dataclass(frozen=True)
class Counters:
    """Of a container, a pod or the node: what grows, and the memory it has now."""

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    cpu_stalled_seconds: float | None = None
    """In which some task waited for it; None where the kernel does not say."""
    memory_stalled_seconds: float | None = None
    io_stalled_seconds: float | None = None


@dataclass(frozen=True)
class ContainerReading:
    container_id: str
    started_at: datetime
    counters: Counters


@dataclass(frozen=True)
class PodReading:
    namespace: str
    name: str
    counters: Counters
    containers: Mapping[str, ContainerReading] = field(default_factory=dict)
    controller: str = ""


@dataclass(frozen=True)
class Reading:
    """All of it, at one moment."""

    at: datetime
    node: Counters
    pods: Mapping[str, PodReading] = field(default_factory=dict)
    """By uid."""


def between(before: Reading, after: Reading) -> Metrics | None:
    """None where they are too close together.

    A container that started in between counts from its start: its counters began at zero. One that was restarted is another
    container.
    """
    seconds = (after.at - before.at).total_seconds()
    if seconds < MIN_SECONDS:
        return None
    pods = [
        PodUsage(
            uid=uid,
            namespace=pod.namespace,
            name=pod.name,
            controller=pod.controller,
            usage=_pod(before.pods.get(uid), pod, seconds),
            containers=_containers(before.pods.get(uid), pod, before.at, after.at),
        )
        for uid, pod in after.pods.items()
    ]
    return Metrics(at=after.at, window_seconds=seconds, node=used(before.node, after.node, seconds), pods=pods)


def _pod(before: PodReading | None, after: PodReading, seconds: float) -> Usage:
    return used(before.counters if before else Counters(), after.counters, seconds)


def _containers(before: PodReading | None, after: PodReading, since: datetime, at: datetime) -> dict[str, Usage]:
    found = {}
    for name, one in after.containers.items():
        held = before.containers.get(name) if before else None
        if held is not None and held.container_id == one.container_id:
            found[name] = used(held.counters, one.counters, (at - since).total_seconds())
        elif (age := (at - one.started_at).total_seconds()) >= MIN_SECONDS:
            found[name] = used(Counters(), one.counters, age)
    return found


def used(before: Counters, after: Counters, seconds: float) -> Usage:
    """A counter that went back (a cgroup made anew) counts as nothing."""

    def rate(name: str) -> float:
        grown: float = getattr(after, name) - getattr(before, name)
        return max(0.0, grown) / seconds

    def pressure(name: str) -> float | None:
        stalled: float | None = getattr(after, name)
        if stalled is None:
            return None
        grown = stalled - (getattr(before, name) or 0.0)
        return min(100.0, max(0.0, round(100.0 * grown / seconds, 2)))

    return Usage(
        cpu_cores=rate("cpu_seconds"),
        memory_bytes=after.memory_bytes,
        received_bytes=rate("received_bytes"),
        sent_bytes=rate("sent_bytes"),
        read_bytes=rate("read_bytes"),
        written_bytes=rate("written_bytes"),
        cpu_pressure=pressure("cpu_stalled_seconds"),
        memory_pressure=pressure("memory_stalled_seconds"),
        io_pressure=pressure("io_stalled_seconds"),
    )
