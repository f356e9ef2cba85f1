"""What is on its way up: statuses and events, numbered, kept until the control plane has stored them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from schema.session import EventReport, PodStatusReport, Report, VolumeReport

MAX_EVENTS = 2000
"""Kept while the control plane is away; beyond it the oldest are dropped. Statuses are one per pod and never dropped."""
MAX_PODS_PER_REPORT = 200
MAX_EVENTS_PER_REPORT = 200
MAX_IN_FLIGHT = 16
"""Reports that may wait for their acknowledgement; beyond it newer statuses replace older ones here."""
LAZY_SECONDS = 0.1
"""How long news that nobody waits for ("on its way", events) may wait for others. Written one by one they would keep the
control plane busy just when the news that somebody does wait for arrives."""


class Outbox:
    """Implements `pods.context.Reports`. Only the latest status of a pod that was not sent yet is sent."""

    def __init__(self, *, gather_seconds: float = 0.005) -> None:
        self._gather_seconds = gather_seconds
        self._pods: dict[str, PodStatusReport] = {}
        self._events: deque[EventReport] = deque(maxlen=MAX_EVENTS)
        self._volumes: dict[str, VolumeReport] = {}
        self._sent: deque[Report] = deque()
        self._sequence = 0
        self._due: float | None = None
        self._taken_at = float("-inf")
        self._changed = asyncio.Event()

    def pod_status(self, report: PodStatusReport, *, urgent: bool) -> None:
        waiting = self._pods.pop(report.uid, None)
        if waiting is not None and waiting.gone:
            report = report.model_copy(update={"gone": True})
        self._pods[report.uid] = report
        self._tell(urgent=urgent)

    def event(self, report: EventReport) -> None:
        self._events.append(report)
        self._tell(urgent=False)

    def volume(self, report: VolumeReport) -> None:
        self._volumes[report.uid] = report
        self._tell(urgent=report.removed)

    def _tell(self, *, urgent: bool) -> None:
        now = asyncio.get_running_loop().time()
        # After a quiet while an urgent one goes at once; those that come right behind it gather.
        due = max(now, self._taken_at + self._gather_seconds) if urgent else now + LAZY_SECONDS
        if self._due is None or due < self._due:
            self._due = due
            self._changed.set()

    async def next(self) -> Report:
        """The next report, once it is due and there is room for it on the way."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            if self._due is None or len(self._sent) >= MAX_IN_FLIGHT:
                await self._changed.wait()
            elif (delay := self._due - loop.time()) <= 0:
                return self._take()
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._changed.wait()

    def _take(self) -> Report:
        uids = list(self._pods)[:MAX_PODS_PER_REPORT]
        events = [self._events.popleft() for _ in range(min(len(self._events), MAX_EVENTS_PER_REPORT))]
        self._sequence += 1
        self._taken_at = asyncio.get_running_loop().time()
        volumes, self._volumes = list(self._volumes.values()), {}
        pods = [self._pods.pop(uid) for uid in uids]
        report = Report(sequence=self._sequence, pods=pods, events=events, volumes=volumes)
        self._sent.append(report)
        self._due = self._taken_at if self._pods or self._events else None
        return report

    def unacknowledged(self) -> list[Report]:
        """To be sent again, with their numbers, at the beginning of a new session."""
        return list(self._sent)

    def acknowledge(self, sequence: int) -> None:
        while self._sent and self._sent[0].sequence <= sequence:
            self._sent.popleft()
        self._changed.set()
