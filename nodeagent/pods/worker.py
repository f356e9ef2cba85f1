"""One pod's worker: asks `lifecycle` what to do, does it, shows the status, and sleeps until something happens.

What wakes it: a changed or deleted pod, the end of a container, a finished pull, changed ConfigMaps and Secrets, and the
time that `lifecycle` named. Inside one pod everything goes one after the other, except what one decision lists together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from nodeagent.pods import identity, lifecycle, status, transitions
from nodeagent.pods.checks import Checks
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.pods.steps import Steps
from nodeagent.tasks import Tasks, persist
from schema.session import PodStatusReport

log = logging.getLogger(__name__)


class Worker:
    """``changed`` is told whenever the record's state is another one, for the checkpoint."""

    def __init__(self, record: Record, context: Context, changed: Callable[[Record], None]) -> None:
        self.record = record
        self._context = context
        self._changed = changed
        self._tasks = Tasks(f"pod {identity.full_name(record.pod)}")
        self._steps = Steps(record, context, self._tasks)
        self._checks = Checks(record, context, self._tasks, self._steps.event)

    async def run(self) -> None:
        """Until nothing of the pod is left. Started again after an unexpected error, with a delay."""
        name = f"worker of pod {identity.full_name(self.record.pod)}"
        try:
            await persist(name, self.once, first_delay=0.5, last_delay=30.0)
        finally:
            await self._tasks.close()

    async def once(self) -> None:
        record = self.record
        while True:
            await self._absorb()
            now = self._context.clock.now()
            self._notice_deletion(now)
            decision = lifecycle.decide(record.pod, record.state, now)
            self._show(now)
            self._checks.follow()
            if record.state.gone:
                return
            if decision.actions:
                await self._perform(decision.actions)
            else:
                await self._sleep(decision.wake_at, now)

    async def _perform(self, actions: tuple[lifecycle.Action, ...]) -> None:
        if any(isinstance(action, lifecycle.Release) for action in actions):
            await self._tasks.close()  # pulls that nobody needs any more
        if len(actions) == 1:
            await self._steps.perform(actions[0])
            return
        async with asyncio.TaskGroup() as group:
            for action in actions:
                group.create_task(self._steps.perform(action), name=f"{type(action).__name__} of {self.record.name}")

    async def _absorb(self) -> None:
        record = self.record
        while record.exits:
            await self._steps.absorb(record.exits[0])
            record.exits.pop(0)
        if record.refresh:
            record.refresh = False
            record.state = transitions.retry_now(record.state, self._context.clock.now())
            if record.state.set_up and not record.state.final_phase:
                await self._steps.refresh_volumes()

    def _notice_deletion(self, now: datetime) -> None:
        record = self.record
        if record.removed:
            record.state = transitions.stop(record.state, grace_seconds=0.0, now=now)
        elif record.pod.metadata.deletion_timestamp is not None:
            record.state = transitions.stop(record.state, grace_seconds=lifecycle.grace_seconds(record.pod), now=now)
        elif record.pod.status.phase == lifecycle.FAILED and not (record.state.final_phase or record.state.stop):
            self._obey_failure(now)

    def _obey_failure(self, now: datetime) -> None:
        """The control plane has given the pod up (evicted it, say) while it runs here: it ends, its logs stay."""
        record, told = self.record, self.record.pod.status
        record.state = transitions.stop(
            record.state,
            grace_seconds=lifecycle.spec_grace_seconds(record.pod),
            now=now,
            reason=told.reason or "Failed",
            message=told.message,
        )

    def _show(self, now: datetime) -> None:
        record = self.record
        wire, record.state = status.build(record.pod, record.state, self._context.addresses, now)
        if record.state != record.saved:
            record.saved = record.state
            self._changed(record)
        if wire == record.shown and not record.state.gone:
            return
        record.shown = wire
        self._context.reports.pod_status(
            PodStatusReport(
                uid=record.uid, namespace=record.namespace, name=record.name, status=wire, gone=record.state.gone
            ),
            urgent=status.is_settled(wire) or record.state.gone,
        )

    async def _sleep(self, wake_at: datetime | None, now: datetime) -> None:
        record = self.record
        times = [time for time in (wake_at, status.next_change(record.state, now)) if time is not None]
        delay = max((min(times) - now).total_seconds(), 0.001) if times else None
        try:
            async with asyncio.timeout(delay):
                await record.wake.wait()
        except TimeoutError:
            pass
        record.wake.clear()
