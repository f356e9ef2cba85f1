"""Stores what agents report: pod statuses, the end of deleted pods, events.

One writer for all sessions of the process: while one batch is being committed the next gathers, so a thousand agents
share a transaction instead of queueing for one each. A report is acknowledged after its commit, not before. One that was
stored but not acknowledged, because a process died in between, is sent again: statuses are the same when written twice,
and events are left out by the report's number (`ReportPosition`, in the same transaction).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from controlplane.nodes import tasks, volumes
from controlplane.nodes.models import ReportPosition
from controlplane.store import objects, pool
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.objects import Finish, Patch
from schema import kinds
from schema.base import Wire
from schema.session import EventReport, PodStatusReport, Report

log = logging.getLogger(__name__)

MAX_WRITES = 500
"""In one transaction; others wait for it."""
RETRY_SECONDS = 1.0
_AGENTS = frozenset({"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"})
"""Conditions of a pod that its agent decides."""


@dataclass(frozen=True)
class Entry:
    node: str
    node_uid: str
    agent: str
    """Which start of the agent numbers its reports; empty where it does not say, and nothing is left out."""
    report: Report


@dataclass(frozen=True)
class _Waiting:
    entry: Entry
    done: asyncio.Future[None]


class ReportWriter:
    """One per process and event loop."""

    def __init__(self) -> None:
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[Any] | None = None

    async def submit(self, entry: Entry) -> None:
        """Returns once the report is committed. A session waits for it before it takes much more from its agent."""
        waiting = _Waiting(entry, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._task is None or self._task.done():
            self._task = tasks.spawn(self._write_all(), name="report writer")
        await waiting.done

    async def _write_all(self) -> None:
        while self._queue:
            batch = self._next_batch()
            try:
                await self._write(batch)
            except (DatabaseError, StoreError) as error:
                # The database is away or busy. Nothing was acknowledged: keep them, first in the queue.
                log.warning("%d reports wait for the database: %s", len(batch), error)
                self._queue[:0] = [waiting for waiting in batch if not waiting.done.done()]
                await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, batch: list[_Waiting]) -> None:
        try:
            await pool.run(store, [waiting.entry for waiting in batch])
        except (DatabaseError, StoreError):
            raise
        except Exception:
            if len(batch) > 1:
                # One of them cannot be stored; it must not hold up the others.
                for waiting in batch:
                    await self._write([waiting])
                return
            # Sent again it would fail again, and its node would never get any further.
            log.exception("a report of node %s cannot be stored and is dropped", batch[0].entry.node)
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_result(None)

    def _next_batch(self) -> list[_Waiting]:
        """Whole reports, in their order, at least one."""
        count, size = 0, 0
        for waiting in self._queue:
            report = waiting.entry.report
            size += len(report.pods) + len(report.events) + len(report.volumes)
            if count and size > MAX_WRITES:
                break
            count += 1
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch


def store(entries: Sequence[Entry]) -> None:
    """All of it in one transaction. Runs in a thread of the pool."""
    with transaction.atomic():
        fresh = _unseen_events(entries)
        ended = _write_statuses(entries)
        _refusals(ended, objects.write_many(ended))
        volumes.write(entries_of_volumes(entries))
        if fresh:
            _record(fresh)


def entries_of_volumes(entries: Sequence[Entry]) -> list[volumes.Spoken]:
    return [volumes.Spoken(entry.node, report) for entry in entries for report in entry.report.volumes]


def _write_statuses(entries: Sequence[Entry]) -> list[Finish]:
    """Returns the deletions that the pods' own nodes have declared finished."""
    spoken = [(entry.node, pod) for entry in entries for pod in entry.report.pods]
    patches = [Patch(kinds.POD, pod.namespace, pod.name, _Change(node, pod), "status", pod.uid) for node, pod in spoken]
    results = objects.write_many(patches)
    _refusals(patches, results)
    return [
        Finish(kinds.POD, pod.namespace, pod.name, pod.uid)
        for (node, pod), result in zip(spoken, results, strict=True)
        if pod.gone and isinstance(result, dict) and _node_of(result) == node
    ]


def _refusals(writes: Sequence[Patch | Finish], results: Sequence[Wire | StoreError]) -> None:
    """A pod that is gone, or another of its name, is no trouble: the agent learns it by the session."""
    for write, result in zip(writes, results, strict=True):
        if isinstance(result, StoreError) and not isinstance(result, NotFound):
            log.warning("report on pod %s/%s was refused: %s", write.namespace, write.name, result)


def _node_of(pod: Wire) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


@dataclass(frozen=True)
class _Change:
    """Writes a pod's status, if the pod is this node's to speak of."""

    node: str
    pod: PodStatusReport

    def __call__(self, stored: Wire) -> Wire | None:
        if _node_of(stored) != self.node:
            log.warning(
                "node %s reported on pod %s/%s, which is not its own", self.node, self.pod.namespace, self.pod.name
            )
            return None
        conditions = self._conditions(stored)
        return {**stored, "status": {**self.pod.status, **({"conditions": conditions} if conditions else {})}}

    def _conditions(self, stored: Wire) -> list[Wire]:
        """The agent's own; those of others (the scheduler, readiness gates) as they are stored, for the agent may not
        have heard of their latest change."""
        told = self.pod.status.get("conditions") or []
        others = [one for one in (stored.get("status") or {}).get("conditions") or [] if one["type"] not in _AGENTS]
        kinds_stored = {one["type"] for one in others}
        return [*others, *(one for one in told if one["type"] in _AGENTS or one["type"] not in kinds_stored)]


def _unseen_events(entries: Sequence[Entry]) -> list[tuple[Entry, EventReport]]:
    """Events of reports that were not stored before; notes the reports' numbers."""
    speakers = {entry.node for entry in entries if entry.report.events and entry.agent}
    held = {position.node: position for position in ReportPosition.objects.filter(node__in=speakers)}
    fresh: list[tuple[Entry, EventReport]] = []
    for entry in entries:
        if entry.node in speakers:
            position = held.setdefault(entry.node, ReportPosition(node=entry.node))
            if position.agent == entry.agent and entry.report.sequence <= position.sequence:
                continue
            position.agent, position.sequence = entry.agent, entry.report.sequence
        fresh += [(entry, event) for event in entry.report.events]
    ReportPosition.objects.bulk_create(
        [held[node] for node in sorted(speakers)],
        update_conflicts=True,
        unique_fields=["node"],
        update_fields=["agent", "sequence"],
    )
    return fresh


def _record(fresh: Sequence[tuple[Entry, EventReport]]) -> None:
    from controlplane.controllers import events

    events.record_many([_event(entry, event) for entry, event in fresh])


def _event(entry: Entry, event: EventReport) -> Any:
    from controlplane.controllers import events

    return events.Record(
        _regarding(entry, event),
        severity=event.severity,
        reason=event.reason,
        message=event.message,
        component="nodeagent",
        field_path=event.field_path,
        host=entry.node,
        at=event.at,
    )


def _regarding(entry: Entry, event: EventReport) -> Wire:
    if not event.pod_uid:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": entry.node, "uid": entry.node_uid}}
    metadata = {"namespace": event.namespace, "name": event.name, "uid": event.pod_uid}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
