"""What is on its way up: statuses and events, numbered, kept until the control plane has stored them."""

from __future__ import annotations

import asyncio
from collections import deque

from schema.session import EventReport, PodStatusReport, Report

MAX_EVENTS = 2000
"""Kept while the control plane is away; beyond it the oldest are dropped. Statuses are one per pod and never dropped."""
MAX_PODS_PER_REPORT = 200
MAX_EVENTS_PER_REPORT = 200


class Outbox:
    """Implements `pods.context.Reports`. Only the latest status of a pod that was not sent yet is sent."""

    def __init__(self) -> None:
        self._pods: dict[str, PodStatusReport] = {}
        self._events: deque[EventReport] = deque(maxlen=MAX_EVENTS)
        self._sent: deque[Report] = deque()
        self._sequence = 0
        self.news = asyncio.Event()
        self.urgent = asyncio.Event()

    def pod_status(self, report: PodStatusReport, *, urgent: bool) -> None:
        waiting = self._pods.pop(report.uid, None)
        if waiting is not None and waiting.gone:
            report = report.model_copy(update={"gone": True})
        self._pods[report.uid] = report
        self._tell(urgent=urgent)

    def event(self, report: EventReport) -> None:
        self._events.append(report)
        self._tell(urgent=False)

    def _tell(self, *, urgent: bool) -> None:
        self.news.set()
        if urgent:
            self.urgent.set()

    def take(self) -> Report | None:
        """The next report to send; None when there is nothing new."""
        self.urgent.clear()
        if not self._pods and not self._events:
            self.news.clear()
            return None
        uids = list(self._pods)[:MAX_PODS_PER_REPORT]
        events = [self._events.popleft() for _ in range(min(len(self._events), MAX_EVENTS_PER_REPORT))]
        self._sequence += 1
        report = Report(sequence=self._sequence, pods=[self._pods.pop(uid) for uid in uids], events=events)
        self._sent.append(report)
        if not self._pods and not self._events:
            self.news.clear()
        return report

    def unacknowledged(self) -> list[Report]:
        """To be sent again, with their numbers, at the beginning of a new session."""
        return list(self._sent)

    def acknowledge(self, sequence: int) -> None:
        while self._sent and self._sent[0].sequence <= sequence:
            self._sent.popleft()
