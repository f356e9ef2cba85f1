"""Runs what goes on beside a pod's worker: its probes and its lifecycle hooks.

What should run follows from the pod's state alone, so after a crash of the worker or the agent it is begun again by itself
(a hook that was running runs again: once at least, as Kubernetes promises). `follow` is called after each step of the
worker; it starts what is wanted and ends what is not. What a check finds goes into the state through `transitions`, and
the worker is woken. One small asyncio task each; commands in containers, which cost processes, run a few at a time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from nodeagent.pods import handlers, probes, transitions
from nodeagent.pods.context import Context
from nodeagent.pods.handlers import Outcome
from nodeagent.pods.probes import Kind, Tally, Target
from nodeagent.pods.record import Record
from nodeagent.pods.state import Phase, PodState
from nodeagent.tasks import Tasks
from schema.core.probe import LifecycleHandler, Probe

log = logging.getLogger(__name__)

POST_START, PRE_STOP = "postStart", "preStop"

Key = tuple[str, str, str]
"""Container, its id, what: a kind of probe or a hook."""
Event = Callable[..., None]
"""As `Steps.event`: reason, message, container, severity."""


class Checks:
    def __init__(self, record: Record, context: Context, tasks: Tasks, event: Event) -> None:
        self._record = record
        self._context = context
        self._tasks = tasks
        self._event = event
        self._running: dict[Key, asyncio.Task[Any]] = {}

    def follow(self) -> None:
        """Bring what runs in line with the state. Does not wait."""
        wanted = self._wanted()
        for key in [key for key in self._running if key not in wanted]:
            self._running.pop(key).cancel()
        for key, begin in wanted.items():
            task = self._running.get(key)
            if task is None or (task.done() and key[2] not in (POST_START, PRE_STOP)):
                name = f"{key[2]} of {key[0]} in pod {self._record.namespace}/{self._record.name}"
                self._running[key] = self._tasks.spawn(name, begin())

    def _wanted(self) -> dict[Key, Callable[[], Coroutine[Any, Any, None]]]:
        record = self._record
        wanted: dict[Key, Callable[[], Coroutine[Any, Any, None]]] = {}
        for target in probes.wanted(record.pod, record.state):
            key = (target.container, target.container_id, target.kind.value)
            wanted[key] = partial(self._probe, target)
        for name in record.names():
            known = record.state.container(name)
            if known.phase is not Phase.RUNNING:
                continue
            if known.stopping is not None and known.stopping.pre_stop:
                wanted[name, known.container_id, PRE_STOP] = partial(self._pre_stop, name, known.container_id)
            elif known.post_start_pending and not known.failed and known.stopping is None:
                wanted[name, known.container_id, POST_START] = partial(self._post_start, name, known.container_id)
        return wanted

    # Probes

    async def _probe(self, target: Target) -> None:
        """Until it is cancelled, or the state is such that `probes.wanted` leaves it out."""
        probe = self._definition(target)
        if probe is None:
            return
        chance = random.random()  # noqa: S311 - spreads load, hides nothing
        started_at = self._record.state.container(target.container).started_at or self._now()
        due = probes.first_due(probe, target.kind, started_at, self._now(), chance)
        tally = Tally()
        while True:
            await asyncio.sleep(max(0.0, (due - self._now()).total_seconds()))
            probe = self._definition(target)
            if probe is None:
                return
            began = self._now()
            outcome = await self._ask(target, probe)
            if outcome.success is not None:
                tally = self._count(target, probe, tally, outcome)
            due = max(began + timedelta(seconds=probes.next_in(probe, tally)), self._now())

    def _definition(self, target: Target) -> Probe | None:
        return probes.of(self._record.container(target.container), target.kind)

    async def _ask(self, target: Target, probe: Probe) -> Outcome:
        seconds = probes.timeout_seconds(probe)
        try:
            return await self._within(seconds, probe, target.container, target.container_id)
        except TimeoutError:
            if probe.exec is not None:
                return Outcome(
                    False, f'command timed out: "{" ".join(probe.exec.command)}" timed out after {seconds:g}s'
                )
            return Outcome(False, f"no answer within {seconds:g}s (timeoutSeconds)")

    async def _within(self, seconds: float, action: Probe, name: str, container_id: str) -> Outcome:
        container, address = self._record.container(name), self._address()
        if action.exec is not None:
            async with self._context.commands:  # waiting for its turn is not the container's fault
                async with asyncio.timeout(seconds):
                    return await handlers.execute(self._context.host.runtime, container_id, action.exec)
        async with asyncio.timeout(seconds):
            if action.http_get is not None:
                return await handlers.http_get(action.http_get, container, address)
            if action.tcp_socket is not None:
                return await handlers.tcp_socket(action.tcp_socket, container, address)
            if action.grpc is not None:
                return await handlers.grpc(action.grpc, address)
        return Outcome(None, "the probe says nothing to do")

    def _count(self, target: Target, probe: Probe, tally: Tally, outcome: Outcome) -> Tally:
        record, known = self._record, self._record.state.container(target.container)
        if known.phase is not Phase.RUNNING or known.container_id != target.container_id:
            return tally
        before, tally = tally, probes.counted(probe, target.kind, tally, success=bool(outcome.success))
        if tally.failures > before.failures:
            message = f"{target.kind.heading} probe failed: {outcome.message}"
            self._event("Unhealthy", message, target.container, severity="Warning")
        said = probes.verdict(probe, tally)
        if said is not None:
            state = record.state
            record.state = self._concluded(target, probe, success=said)
            if record.state != state:
                record.wake.set()
        return tally

    def _concluded(self, target: Target, probe: Probe, *, success: bool) -> PodState:
        state, name, container_id = self._record.state, target.container, target.container_id
        if target.kind is Kind.READINESS:
            return transitions.probed_ready(state, name, container_id, ready=success)
        if not success:
            grace = probe.termination_grace_period_seconds
            why = f"Container {name} failed {target.kind} probe"
            return transitions.failed(state, name, container_id, why, grace_seconds=grace)
        return transitions.startup_passed(state, name, container_id) if target.kind is Kind.STARTUP else state

    # Hooks

    async def _post_start(self, name: str, container_id: str) -> None:
        handler = self._handler(name, POST_START)
        outcome = await self._hook(name, container_id, handler) if handler is not None else Outcome(True)
        record = self._record
        if outcome.success:
            record.state = transitions.post_started(record.state, name, container_id)
        else:
            self._event("FailedPostStartHook", f"PostStartHook failed: {outcome.message}", name, severity="Warning")
            why = f"Container {name} failed its postStart hook"
            record.state = transitions.failed(record.state, name, container_id, why)
        record.wake.set()

    async def _pre_stop(self, name: str, container_id: str) -> None:
        """Within the grace; `lifecycle` goes on without it when that is over, which ends this task."""
        handler, record = self._handler(name, PRE_STOP), self._record
        outcome = await self._hook(name, container_id, handler) if handler is not None else Outcome(True)
        if not outcome.success:
            self._event("FailedPreStopHook", f"PreStopHook failed: {outcome.message}", name, severity="Warning")
        record.state = transitions.pre_stopped(record.state, name, container_id)
        record.wake.set()

    def _handler(self, name: str, which: str) -> LifecycleHandler | None:
        life = self._record.container(name).lifecycle
        if life is None:
            return None
        return life.post_start if which == POST_START else life.pre_stop

    async def _hook(self, name: str, container_id: str, handler: LifecycleHandler) -> Outcome:
        try:
            return await self._act(name, container_id, handler)
        except Exception as error:
            # Whatever it was, the container must not wait for its hook for ever.
            log.exception("hook of container %s", container_id)
            return Outcome(False, str(error))

    async def _act(self, name: str, container_id: str, handler: LifecycleHandler) -> Outcome:
        container, address = self._record.container(name), self._address()
        if handler.exec is not None:
            return await handlers.execute(self._context.host.runtime, container_id, handler.exec)
        if handler.http_get is not None:
            outcome = await handlers.http_get(handler.http_get, container, address)
            return Outcome(True) if outcome.answered else outcome  # as the kubelet: any answer will do
        if handler.tcp_socket is not None:
            return await handlers.tcp_socket(handler.tcp_socket, container, address)
        if handler.sleep is not None:
            await asyncio.sleep(handler.sleep.seconds)
        return Outcome(True)

    def _address(self) -> str:
        """The pod's; on the host's network that is the host's."""
        return next(iter(self._record.state.addresses), "127.0.0.1")

    def _now(self) -> datetime:
        return self._context.clock.now()
