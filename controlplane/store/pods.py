"""What the scheduler and the node sessions ask about pods, answered by SQL."""

from __future__ import annotations

from dataclasses import dataclass

from controlplane.store import read
from controlplane.store.kinds import pod
from schema.base import Wire


@dataclass(frozen=True)
class Usage:
    """What the unfinished pods of a node ask for together."""

    pods: int = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    ephemeral_bytes: int = 0


def pods_on(node: str) -> list[Wire]:
    """Every pod bound to the node, finished ones too."""
    return read.objects_where(pod.STORAGE, "node_name = %s", [node])


def pending_pods() -> list[Wire]:
    """Pods without a node that still want one: the most important first, then the oldest."""
    return read.objects_where(
        pod.STORAGE,
        "node_name = '' AND phase IN ('', 'Pending') AND deleted_at = ''",
        [],
        order="priority DESC, created_at, revision",
    )


def node_usage() -> dict[str, Usage]:
    rows = read.query(
        "SELECT node_name, count(*), sum(cpu_millis), sum(memory_bytes), sum(ephemeral_bytes) FROM store_pod "
        "WHERE node_name <> '' AND phase NOT IN (%s, %s) GROUP BY node_name",
        pod.FINISHED,
    )
    return {node: Usage(*(int(amount) for amount in amounts)) for node, *amounts in rows}


def bound_pods() -> list[Wire]:
    """Unfinished pods with a node."""
    return read.objects_where(pod.STORAGE, "node_name <> '' AND phase NOT IN (%s, %s)", [*pod.FINISHED])


def bound_pods_below(priority: int) -> list[Wire]:
    """Unfinished pods with a node whose priority is lower."""
    return read.objects_where(
        pod.STORAGE,
        "node_name <> '' AND phase NOT IN (%s, %s) AND priority < %s",
        [*pod.FINISHED, priority],
    )


def bound_pods_mentioning(*words: str) -> list[Wire]:
    """Unfinished pods with a node whose spec contains one of these words as a key: a coarse sieve, in one query."""
    return read.objects_where(
        pod.STORAGE,
        f"node_name <> '' AND phase NOT IN (%s, %s) AND ({' OR '.join(['spec LIKE %s'] * len(words))})",
        [*pod.FINISHED, *(f'%"{word}"%' for word in words)],
    )
