"""What goes up to the control plane: pod statuses and events, gathered into numbered reports.

A report is kept until it is acknowledged and said again after a reconnect, so nothing is lost on the way. While nobody
listens a newer status replaces the waiting one of the same pod, so the wait costs no memory.
"""

from __future__ import annotations

import asyncio
from collections import deque

from schema.session import EventReport, PodStatusReport, Report

MAX_PODS = 200
MAX_EVENTS = 500
MAX_IN_FLIGHT = 16
"""Unacknowledged reports; beyond this statuses merge here instead of queueing there."""
MAX_WAITING_EVENTS = 5000
LAZY_SECONDS = 0.1
"""How long news that nobody waits for ("on its way", events) may wait for others to share their frame."""


class Reporter:
    def __init__(self, *, gather_seconds: float) -> None:
        self._gather = gather_seconds
        self._statuses: dict[str, PodStatusReport] = {}
        self._events: deque[EventReport] = deque(maxlen=MAX_WAITING_EVENTS)
        self._unacknowledged: deque[Report] = deque()
        self._sequence = 0
        self._due: float | None = None
        self._changed = asyncio.Event()

    def pod_status(self, report: PodStatusReport, *, urgent: bool) -> None:
        self._statuses[report.uid] = report
        self._hurry(self._gather if urgent else LAZY_SECONDS)

    def event(self, report: EventReport) -> None:
        self._events.append(report)
        self._hurry(LAZY_SECONDS)

    def _hurry(self, seconds: float) -> None:
        due = asyncio.get_running_loop().time() + seconds
        if self._due is None or due < self._due:
            self._due = due
            self._changed.set()

    def acknowledge(self, sequence: int) -> None:
        while self._unacknowledged and self._unacknowledged[0].sequence <= sequence:
            self._unacknowledged.popleft()
        self._changed.set()

    @property
    def unacknowledged(self) -> list[Report]:
        """In order: to be said again on a new connection."""
        return list(self._unacknowledged)

    async def next(self) -> Report:
        """The next report, when it is due and there is room in flight."""
        while True:
            self._changed.clear()
            if self._due is None or len(self._unacknowledged) >= MAX_IN_FLIGHT:
                await self._changed.wait()
                continue
            delay = self._due - asyncio.get_running_loop().time()
            if delay <= 0:
                return self._make()
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _make(self) -> Report:
        self._sequence += 1
        uids = list(self._statuses)[:MAX_PODS]
        events = [self._events.popleft() for _ in range(min(len(self._events), MAX_EVENTS))]
        report = Report(sequence=self._sequence, pods=[self._statuses.pop(uid) for uid in uids], events=events)
        self._unacknowledged.append(report)
        self._due = asyncio.get_running_loop().time() if self._statuses or self._events else None
        return report
