"""How a pod's state changes: each function takes what happened and returns the next state. Pure.

All are safe to apply twice, and none moves a container backwards: an old exit does not end a newer attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from nodeagent.pods import identity, restart
from nodeagent.pods.state import (
    ContainerState,
    Phase,
    PodState,
    Problem,
    Retry,
    Stop,
    Stopping,
    Termination,
)
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod

UNKNOWN_EXIT_CODE = 137
UNKNOWN_REASON = "ContainerStatusUnknown"
UNKNOWN_MESSAGE = "The container could not be located when the agent started"
CANNOT_RUN_EXIT_CODE = 128


def containers(pod: Pod) -> list[Container]:
    """All of them, as they start: init containers first, those for debugging last."""
    return [*pod.spec.init_containers, *pod.spec.containers, *pod.spec.ephemeral_containers]


def names(pod: Pod) -> list[str]:
    return [each.name for each in containers(pod)]


def container(pod: Pod, name: str) -> Container | None:
    return next((each for each in containers(pod) if each.name == name), None)


def accepted(pod: Pod, now: datetime) -> PodState:
    """The state of a pod that this agent has not seen before, from what its status already says."""
    status = pod.status.wire() if pod.status is not None else {}
    state = PodState(started_at=_time(status.get("startTime")) or now)
    if status.get("phase") in ("Succeeded", "Failed"):
        state = replace(state, final_phase=str(status["phase"]))
    told = {str(one["name"]): one for field in _STATUS_LISTS for one in status.get(field) or () if one.get("name")}
    return replace(state, containers={name: _told(name, told.get(name), container(pod, name)) for name in names(pod)})


_STATUS_LISTS = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def _told(name: str, status: Wire | None, container: Container | None) -> ContainerState:
    """A container as an earlier agent reported it. What it says is running is taken for lost until adoption finds it."""
    if status is None or not status.get("containerID"):
        return ContainerState(name)
    current = status.get("state") or {}
    known = ContainerState(
        name,
        attempt=int(status.get("restartCount") or 0),
        container_id=str(status["containerID"]).rpartition("/")[2],
        image_id=str(status.get("imageID") or ""),
        removed=False,
        last=_told_termination((status.get("lastState") or {}).get("terminated")),
    )
    if "terminated" in current:
        ended = _told_termination(current["terminated"])
        passed = ended is not None and ended.started_at is not None
        return replace(known, phase=Phase.TERMINATED, termination=ended, passed=passed)
    if "running" in current:
        known = replace(known, phase=Phase.RUNNING, started_at=_time(current["running"].get("startedAt")))
        up = status.get("started") is not False
        known = replace(_fresh(known, None if up else container), ready=bool(status.get("ready")))
        return replace(known, passed=known.passed or known.last is not None)
    if known.last is not None:  # waiting for its next start
        return replace(known, phase=Phase.TERMINATED, termination=known.last, last=None, passed=True)
    return replace(known, container_id="")


def _told_termination(wire: Wire | None) -> Termination | None:
    if not wire:
        return None
    finished = _time(wire.get("finishedAt"))
    if finished is None:
        return None
    return Termination(
        exit_code=int(wire.get("exitCode") or 0),
        reason=str(wire.get("reason") or ""),
        finished_at=finished,
        started_at=_time(wire.get("startedAt")),
        message=str(wire.get("message") or ""),
        container_id=str(wire.get("containerID") or "").rpartition("/")[2],
    )


def _time(text: Any) -> datetime | None:
    if isinstance(text, datetime):
        return text
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


# Of one container


def _change(state: PodState, name: str, change: Callable[[ContainerState], ContainerState]) -> PodState:
    return replace(state, containers={**state.containers, name: change(state.container(name))})


def creating(state: PodState, name: str, *, container_id: str, image: str, image_id: str, stop_signal: str) -> PodState:
    """Said before the runtime is asked, so that whatever comes of it is looked for after a crash."""
    return _change(
        state,
        name,
        lambda known: replace(
            known,
            container_id=container_id,
            image=image,
            image_id=image_id,
            stop_signal=stop_signal,
            removed=False,
            stopping=None,
        ),
    )


def running(state: PodState, name: str, started_at: datetime, container: Container | None = None) -> PodState:
    """``container`` says what must succeed before it counts as started."""
    return _change(
        state,
        name,
        lambda known: _fresh(
            replace(known, phase=Phase.RUNNING, started_at=started_at, termination=None, problem=None), container
        ),
    )


def _fresh(known: ContainerState, container: Container | None) -> ContainerState:
    """An attempt that nobody has probed, hooked or stopped yet."""
    hooked = container is not None and container.lifecycle is not None and container.lifecycle.post_start is not None
    probed = container is not None and container.startup_probe is not None
    return replace(
        known,
        stopping=None,
        post_start_pending=hooked,
        startup_pending=probed,
        ready=False,
        failed="",
        failed_grace_seconds=None,
        passed=known.passed or (known.phase is Phase.RUNNING and not (hooked or probed)),
    )


def _current(
    state: PodState, name: str, container_id: str, change: Callable[[ContainerState], ContainerState]
) -> PodState:
    """Change the container if this attempt of it still runs: what was learnt of an earlier one means nothing."""
    known = state.container(name)
    if known.phase is not Phase.RUNNING or known.container_id != container_id:
        return state
    changed = change(known)
    up = not (changed.post_start_pending or changed.startup_pending)
    return _change(state, name, lambda _: replace(changed, passed=changed.passed or up))


def post_started(state: PodState, name: str, container_id: str) -> PodState:
    return _current(state, name, container_id, lambda known: replace(known, post_start_pending=False))


def startup_passed(state: PodState, name: str, container_id: str) -> PodState:
    return _current(state, name, container_id, lambda known: replace(known, startup_pending=False))


def probed_ready(state: PodState, name: str, container_id: str, *, ready: bool) -> PodState:
    return _current(state, name, container_id, lambda known: replace(known, ready=ready))


def failed(state: PodState, name: str, container_id: str, why: str, *, grace_seconds: float | None = None) -> PodState:
    """The attempt must be ended."""

    def change(known: ContainerState) -> ContainerState:
        return known if known.failed else replace(known, failed=why, failed_grace_seconds=grace_seconds)

    return _current(state, name, container_id, change)


def cannot_run(state: PodState, name: str, message: str, now: datetime) -> PodState:
    """The runtime refused the container: an attempt that ended before it began."""
    return exited(state, name, exit_code=CANNOT_RUN_EXIT_CODE, reason=restart.CANNOT_RUN, message=message, at=now)


def exited(state: PodState, name: str, *, exit_code: int, reason: str, message: str, at: datetime) -> PodState:
    def change(known: ContainerState) -> ContainerState:
        if known.phase is Phase.TERMINATED:
            return known
        started = known.started_at if known.phase is Phase.RUNNING else None
        ended = Termination(
            exit_code, reason, finished_at=at, started_at=started, message=message, container_id=known.container_id
        )
        return replace(
            known,
            phase=Phase.TERMINATED,
            termination=ended,
            problem=None,
            crashes=restart.crashes_after(known, ended),
        )

    return _change(state, name, change)


def at_attempt(state: PodState, name: str, attempt: int, container_id: str) -> PodState:
    """An end came of an attempt that we had not written down yet."""

    def change(known: ContainerState) -> ContainerState:
        if attempt <= known.attempt:
            return replace(known, container_id=known.container_id or container_id, removed=False)
        return replace(
            known,
            attempt=attempt,
            container_id=container_id,
            phase=Phase.WAITING,
            last=known.termination or known.last,
            termination=None,
            removed=False,
        )

    return _change(state, name, change)


def again(state: PodState, name: str) -> PodState:
    """The next attempt begins. Its image is looked for anew."""

    def change(known: ContainerState) -> ContainerState:
        if known.phase is not Phase.TERMINATED:
            return known
        return replace(
            known,
            phase=Phase.WAITING,
            attempt=known.attempt + 1,
            crashes=known.crashes + 1,
            last=known.termination,
            termination=None,
            started_at=None,
            stopping=None,
            problem=None,
            post_start_pending=False,
            startup_pending=False,
            ready=False,
            failed="",
            failed_grace_seconds=None,
        )

    return replace(_change(state, name, change), images=state.images - {name})


def removed(state: PodState, name: str) -> PodState:
    return _change(state, name, lambda known: replace(known, removed=True))


def signalled(
    state: PodState, name: str, deadline: datetime, *, asked: datetime | None = None, pre_stop: bool = False
) -> PodState:
    """Told to end by ``deadline``, with its preStop hook first; or told again, to hurry."""

    def change(known: ContainerState) -> ContainerState:
        if known.stopping is None:
            return replace(known, stopping=Stopping(deadline, asked=asked, pre_stop=pre_stop, signalled=not pre_stop))
        hurried = replace(
            known.stopping,
            deadline=deadline,
            asked=deadline,
            pre_stop=known.stopping.pre_stop and pre_stop,
            signalled=known.stopping.signalled or not pre_stop,
        )
        return replace(known, stopping=hurried)

    return _change(state, name, change)


def pre_stopped(state: PodState, name: str, container_id: str) -> PodState:
    def change(known: ContainerState) -> ContainerState:
        return replace(known, stopping=replace(known.stopping, pre_stop=False)) if known.stopping else known

    return _current(state, name, container_id, change)


def terminated(state: PodState, name: str, deadline: datetime) -> PodState:
    """Sent its signal after its preStop hook; ``deadline`` leaves it the minimum."""

    def change(known: ContainerState) -> ContainerState:
        if known.stopping is None:
            return known
        asked = known.stopping.asked or known.stopping.deadline
        later = replace(known.stopping, deadline=deadline, asked=asked, pre_stop=False, signalled=True)
        return replace(known, stopping=later)

    return _change(state, name, change)


def killed(state: PodState, name: str, now: datetime) -> PodState:
    return _change(state, name, lambda known: replace(known, stopping=Stopping(now, now)))


# Problems


def image_found(state: PodState, name: str) -> PodState:
    state = replace(state, images=state.images | {name}, pulling=state.pulling - {name})
    return _change(state, name, lambda known: replace(known, problem=None))


def pulling(state: PodState, name: str) -> PodState:
    return replace(state, pulling=state.pulling | {name}, pull_messages={**state.pull_messages, name: ""})


def not_pulling(state: PodState, name: str) -> PodState:
    return replace(state, pulling=state.pulling - {name})


def pull_progress(state: PodState, name: str, text: str) -> PodState:
    return replace(state, pull_messages={**state.pull_messages, name: text})


def container_problem(state: PodState, name: str, kind: Retry, *, reason: str, message: str, now: datetime) -> PodState:
    def change(known: ContainerState) -> ContainerState:
        return replace(known, problem=_next_problem(known.problem, kind, reason, message, now))

    return replace(_change(state, name, change), pulling=state.pulling - {name})


_SETUP_SECONDS = 1.0


def setup_problem(state: PodState, *, reason: str, message: str, now: datetime) -> PodState:
    return replace(state, problem=_next_problem(state.problem, Retry.SETUP, reason, message, now))


def _next_problem(before: Problem | None, kind: Retry, reason: str, message: str, now: datetime) -> Problem:
    failures = before.failures + 1 if before is not None and before.kind is kind else 1
    seconds = restart.backoff_seconds(failures)
    if kind is Retry.SETUP:  # what is missing is often made in the same breath: quicker at first
        seconds = min(_SETUP_SECONDS * 2.0 ** min(failures - 1, 16), 120.0)
    return Problem(kind, reason, message, since=now, retry_at=now + timedelta(seconds=seconds), failures=failures)


def retry_now(state: PodState, now: datetime) -> PodState:
    """A ConfigMap or Secret has changed: what failed for want of one is tried at once."""
    hurried = {
        name: replace(known, problem=replace(known.problem, retry_at=now))
        for name, known in state.containers.items()
        if known.problem is not None and known.problem.kind is Retry.CONFIG
    }
    problem = replace(state.problem, retry_at=now) if state.problem is not None else None
    return replace(state, containers={**state.containers, **hurried}, problem=problem)


# The pod


def set_up(state: PodState, addresses: Iterable[str]) -> PodState:
    return replace(state, set_up=True, problem=None, addresses=tuple(addresses))


def stop(state: PodState, *, grace_seconds: float, now: datetime, reason: str = "", message: str = "") -> PodState:
    """Begin to end the pod, or hurry: the grace only ever gets shorter, and a deletion outranks our own reasons."""
    before = state.stop
    wanted = Stop(now, grace_seconds, reason, message)
    if before is None:
        return replace(state, stop=wanted)
    sooner = before.since + timedelta(seconds=before.grace_seconds) <= now + timedelta(seconds=grace_seconds)
    kept = before if sooner else wanted
    if not reason:
        kept = replace(kept, reason="", message="")
    return replace(state, stop=kept)


def finished(state: PodState, phase: str) -> PodState:
    return state if state.final_phase else replace(state, final_phase=phase)


def released(state: PodState, *, entirely: bool) -> PodState:
    containers = {name: replace(known, removed=True) for name, known in state.containers.items()}
    return replace(state, containers=containers, set_up=False, released=True, gone=entirely)


# Adoption


def adopted(pod: Pod, state: PodState, name: str, *, container_id: str, started_at: datetime) -> PodState:
    """The runtime says that this container runs: believed over what the checkpoint says."""
    attempt = identity.attempt_of(pod.metadata.uid or "", name, container_id)
    known = state.container(name)
    if attempt is None or attempt < known.attempt:
        return state
    if known.phase is Phase.RUNNING and known.container_id == container_id:
        return state
    last = known.termination if known.phase is Phase.TERMINATED and attempt > known.attempt else known.last
    return _change(
        state,
        name,
        lambda before: _fresh(
            replace(
                before,
                attempt=attempt,
                phase=Phase.RUNNING,
                container_id=container_id,
                started_at=started_at,
                termination=None,
                last=last,
                removed=False,
            ),
            container(pod, name),
        ),
    )


def lost(state: PodState, name: str, now: datetime) -> PodState:
    """A container that should run is unknown to the runtime."""
    return exited(state, name, exit_code=UNKNOWN_EXIT_CODE, reason=UNKNOWN_REASON, message=UNKNOWN_MESSAGE, at=now)


def rebooted(pod: Pod, state: PodState) -> PodState:
    """The host was restarted: the sandbox is new, so init containers have to run again, as their work may be lost."""
    if state.final_phase or state.stop is not None:
        return state
    for container in pod.spec.init_containers:
        if state.container(container.name).phase is Phase.TERMINATED:
            state = again(state, container.name)
    return state
