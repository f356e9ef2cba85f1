"""What to do next for a pod, given what is wanted and what is known. Pure: no I/O and no clock.

    decide(pod, state, now) -> Decision(actions, wake_at)

The worker performs the actions (those of one decision do not depend on each other), folds their results into the state
through `transitions`, and asks again. Every action may be performed twice; the second finds the first's work done.

The way of a pod: set up (sandbox and volumes) together with the look-up of its images, init containers one after
another, then all containers; when it ends or is deleted: signals, SIGKILL at the end of the grace, then everything that it
had on the node is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nodeagent.pods import restart, transitions
from nodeagent.pods.state import ContainerState, Phase, PodState
from schema.core.container import Container
from schema.core.pod import Pod

SUCCEEDED = "Succeeded"
FAILED = "Failed"
DEFAULT_GRACE_SECONDS = 30.0
MINIMUM_GRACE = timedelta(seconds=2)
"""What is left to a container between its stop signal and SIGKILL, even where its preStop hook or the containers before it
have used the whole grace (a grace of 0 asks for none)."""
_FORCE_AFTER = timedelta(seconds=5)
"""A process that SIGKILL did not end in this time (it is in the kernel) is left to `Runtime.delete`."""


@dataclass(frozen=True)
class SetUp:
    """Sandbox and volumes."""


@dataclass(frozen=True)
class FetchImage:
    """Find the image of a container, or begin to pull it."""

    name: str


@dataclass(frozen=True)
class Start:
    """Create and start these containers, in this order."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Again:
    """Begin the next attempt of an ended container."""

    name: str


@dataclass(frozen=True)
class Remove:
    """Take an ended container out of the runtime and drop its root file system."""

    name: str


@dataclass(frozen=True)
class Signal:
    """Ask a container to end, its preStop hook first; SIGKILL follows at the deadline."""

    name: str
    deadline: datetime
    why: str = ""
    asked: datetime | None = None
    """The deadline as the pod's grace has it, where the minimum has put it off."""


@dataclass(frozen=True)
class Term:
    """The preStop hook is through, or has used its time: the stop signal."""

    name: str
    deadline: datetime


@dataclass(frozen=True)
class Kill:
    name: str


@dataclass(frozen=True)
class Force:
    """SIGKILL brought no exit: have the runtime remove what is left, and count the container as ended."""

    name: str


@dataclass(frozen=True)
class BeginStop:
    """The pod must end by the agent's own decision."""

    reason: str
    message: str


@dataclass(frozen=True)
class Finish:
    """The pod has come to its end by itself."""

    phase: str


@dataclass(frozen=True)
class Release:
    """Give back containers, network and volumes; with ``entirely`` also logs and the pod's directory."""

    entirely: bool


Action = SetUp | FetchImage | Start | Again | Remove | Signal | Term | Kill | Force | BeginStop | Finish | Release


@dataclass(frozen=True)
class Decision:
    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None
    """When to ask again if nothing happens before."""


@dataclass(frozen=True)
class _Step:
    """What one container needs: at most one action, or a time to wait for."""

    action: Action | None = None
    ready_to_start: bool = False
    wake_at: datetime | None = None


_NOTHING = _Step()


def decide(pod: Pod, state: PodState, now: datetime) -> Decision:
    if state.gone:
        return Decision()
    if state.stop is not None:
        return _stopping(pod, state, now)
    if state.final_phase:
        return _ended(pod, state, now)
    deadline = _active_deadline(pod, state)
    if deadline is not None and now >= deadline:
        message = "Pod was active on the node longer than the specified deadline"
        return Decision((BeginStop("DeadlineExceeded", message),))
    decision = _going(pod, state, now)
    return Decision(decision.actions, _earliest((decision.wake_at, deadline)))


# Going


def _going(pod: Pod, state: PodState, now: datetime) -> Decision:
    if not state.set_up:
        return _setting_up(pod, state, now)
    inits, ready_for_main = _init_steps(pod, state, now)
    if _init_failed(pod, state):
        return _begin_finish(pod, state, FAILED, now)
    steps = list(inits)
    if ready_for_main:
        phase = main_result(pod, state)
        if phase:
            return _begin_finish(pod, state, phase, now)
        policy = pod.spec.restart_policy or restart.ALWAYS
        steps += [_container_step(pod, c, state, policy, now) for c in pod.spec.containers]
        steps += [_debugging_step(pod, c, state, now) for c in pod.spec.ephemeral_containers]
    return _join(steps, _startable(pod, state, steps))


def _setting_up(pod: Pod, state: PodState, now: datetime) -> Decision:
    """Sandbox, volumes and the first images at once: none needs another."""
    actions: list[Action] = []
    wakes: list[datetime | None] = []
    if state.problem is not None and now < state.problem.retry_at:
        wakes.append(state.problem.retry_at)
    else:
        actions.append(SetUp())
    for container in transitions.containers(pod):
        known = state.container(container.name)
        if known.phase is not Phase.WAITING:
            continue
        step = _image_step(known, state, now)
        actions += [step.action] if step.action else []
        wakes.append(step.wake_at)
    return Decision(tuple(actions), _earliest(wakes))


def _init_steps(pod: Pod, state: PodState, now: datetime) -> tuple[list[_Step], bool]:
    """The steps of the init containers up to the first that is not through, and whether all are through."""
    steps: list[_Step] = []
    for container in pod.spec.init_containers:
        known = state.container(container.name)
        policy = restart.init_policy(pod.spec.restart_policy or restart.ALWAYS, container.restart_policy)
        through = is_through(container, known)
        if through and not is_sidecar(container):
            steps.append(_removal(known))
            continue
        steps.append(_container_step(pod, container, state, policy, now))
        if not through:
            return steps, False
    return steps, True


def _container_step(pod: Pod, container: Container, state: PodState, policy: str, now: datetime) -> _Step:
    known = state.container(container.name)
    if known.phase is Phase.RUNNING:
        return _running_step(pod, container, known, policy, now)
    if known.phase is Phase.TERMINATED:
        return _terminated_step(known, policy, now)
    if known.name not in state.images:
        return _image_step(known, state, now)
    if known.problem is not None and now < known.problem.retry_at:
        return _Step(wake_at=known.problem.retry_at)
    return _Step(ready_to_start=True)


def _debugging_step(pod: Pod, container: Container, state: PodState, now: datetime) -> _Step:
    """An ephemeral container runs once."""
    known = state.container(container.name)
    if known.phase is Phase.TERMINATED:
        return _removal(known)
    return _container_step(pod, container, state, restart.NEVER, now)


def _running_step(pod: Pod, container: Container, known: ContainerState, policy: str, now: datetime) -> _Step:
    if known.stopping is not None:
        return _killing_step(known, now)
    if known.failed:
        own = known.failed_grace_seconds
        grace = own if own is not None else spec_grace_seconds(pod)
        again = "" if policy == restart.NEVER else ", will be restarted"
        return _Step(Signal(known.name, now + timedelta(seconds=grace), f"{known.failed}{again}"))
    if known.image and container.image and known.image != container.image:
        why = f"Container {known.name} definition changed, will be restarted"
        return _Step(Signal(known.name, now + timedelta(seconds=DEFAULT_GRACE_SECONDS), why))
    return _NOTHING


def _terminated_step(known: ContainerState, policy: str, now: datetime) -> _Step:
    if not known.removed:
        return _Step(Remove(known.name))
    if not _runs_again(known, policy):
        return _NOTHING
    due = restart.due(known)
    return _Step(Again(known.name)) if now >= due else _Step(wake_at=due)


def _image_step(known: ContainerState, state: PodState, now: datetime) -> _Step:
    if known.name in state.images or known.name in state.pulling:
        return _NOTHING
    if known.problem is not None and now < known.problem.retry_at:
        return _Step(wake_at=known.problem.retry_at)
    return _Step(FetchImage(known.name))


def _removal(known: ContainerState) -> _Step:
    return _NOTHING if known.removed else _Step(Remove(known.name))


def _startable(pod: Pod, state: PodState, steps: Sequence[_Step]) -> tuple[str, ...]:
    """In the pod's order; one that has a postStart hook is waited for before those behind it start."""
    # Steps follow the containers' order: either the init containers up to one that is not through, or all.
    names: list[str] = []
    for container, step in zip(transitions.containers(pod), steps, strict=False):
        if step.ready_to_start:
            names.append(container.name)
            if container.lifecycle is not None and container.lifecycle.post_start is not None:
                break
        elif state.container(container.name).post_start_pending:
            break
    return tuple(names)


def _runs_again(known: ContainerState, policy: str) -> bool:
    """Whether the ended container is to be started again."""
    ended = known.termination
    if ended is None:
        return False
    if known.failed:  # we have ended it, so its exit code says nothing
        return policy != restart.NEVER
    return known.stopping is not None or restart.wanted(policy, ended.exit_code)


def _join(steps: Iterable[_Step], startable: tuple[str, ...]) -> Decision:
    steps = list(steps)
    actions = [step.action for step in steps if step.action is not None]
    if startable:
        actions.append(Start(startable))
    return Decision(tuple(actions), _earliest(step.wake_at for step in steps))


# Ending


def _begin_finish(pod: Pod, state: PodState, phase: str, now: datetime) -> Decision:
    """Sidecars outlive the main containers; the pod has ended when they have, and those who debug it."""
    others = [*pod.spec.ephemeral_containers, *reversed(pod.spec.init_containers)]
    running = [c.name for c in others if _runs(state, c.name)]
    if not running:
        return Decision((Finish(phase),))
    known = state.container(running[0])
    if known.stopping is not None:
        step = _killing_step(known, now)
        return Decision((step.action,) if step.action else (), step.wake_at)
    return Decision((Signal(known.name, now + timedelta(seconds=spec_grace_seconds(pod))),))


def _ended(pod: Pod, state: PodState, now: datetime) -> Decision:
    return Decision() if state.released else Decision((Release(entirely=False),))


def _stopping(pod: Pod, state: PodState, now: datetime) -> Decision:
    stop = state.stop
    assert stop is not None  # noqa: S101 - the caller looked
    deadline = stop.since + timedelta(seconds=stop.grace_seconds)
    running = [c for c in transitions.containers(pod) if _runs(state, c.name)]
    if not running:
        return _stopped(state)
    main = {c.name for c in [*pod.spec.containers, *pod.spec.ephemeral_containers]}
    if any(c.name in main for c in running):
        ending = [_end_one(state.container(c.name), deadline, now) for c in running if c.name in main]
    else:
        # Sidecars serve the others to the end, and the later ones may need the earlier: last first.
        last = state.container(running[-1].name)
        if last.stopping is None and stop.grace_seconds > 0 and deadline < now + MINIMUM_GRACE:
            return Decision((Signal(last.name, now + MINIMUM_GRACE, asked=deadline),))
        ending = [_end_one(last, deadline, now)]
    return Decision(
        tuple(action for part in ending for action in part.actions), _earliest(part.wake_at for part in ending)
    )


def _end_one(known: ContainerState, deadline: datetime, now: datetime) -> Decision:
    if known.stopping is None or deadline < (known.stopping.asked or known.stopping.deadline):
        return Decision((Signal(known.name, deadline),))
    step = _killing_step(known, now)
    return Decision((step.action,) if step.action else (), step.wake_at)


def _killing_step(known: ContainerState, now: datetime) -> _Step:
    stopping = known.stopping
    assert stopping is not None  # noqa: S101 - the caller looked
    if not stopping.signalled:
        if stopping.pre_stop and now < stopping.deadline:
            return _Step(wake_at=stopping.deadline)
        return _Step(Term(known.name, max(stopping.deadline, now + MINIMUM_GRACE)))
    if stopping.killed_at is None:
        return _Step(Kill(known.name)) if now >= stopping.deadline else _Step(wake_at=stopping.deadline)
    force_at = stopping.killed_at + _FORCE_AFTER
    return _Step(Force(known.name)) if now >= force_at else _Step(wake_at=force_at)


def _stopped(state: PodState) -> Decision:
    stop = state.stop
    assert stop is not None  # noqa: S101 - the caller looked
    if stop.reason:  # the agent's own decision: the object stays, and with it the logs
        if not state.final_phase:
            return Decision((Finish(FAILED),))
        return Decision() if state.released else Decision((Release(entirely=False),))
    return Decision((Release(entirely=True),))


# Questions


def is_sidecar(container: Container) -> bool:
    return container.restart_policy == restart.ALWAYS


def is_through(container: Container, known: ContainerState) -> bool:
    """An init container is through when it succeeded; a sidecar as soon as it was up once: started, its postStart hook
    done, its startup probe passed."""
    return known.passed if is_sidecar(container) else _succeeded(known)


def initialized(pod: Pod, state: PodState) -> bool:
    return all(is_through(c, state.container(c.name)) for c in pod.spec.init_containers)


def main_result(pod: Pod, state: PodState) -> str:
    """Succeeded or Failed once every main container has ended for good; empty before."""
    policy = pod.spec.restart_policy or restart.ALWAYS
    codes = []
    for container in pod.spec.containers:
        known = state.container(container.name)
        if known.phase is not Phase.TERMINATED or known.termination is None or _runs_again(known, policy):
            return ""
        codes.append(known.termination.exit_code)
    return FAILED if any(codes) else SUCCEEDED


def _init_failed(pod: Pod, state: PodState) -> bool:
    policy = pod.spec.restart_policy or restart.ALWAYS
    for container in pod.spec.init_containers:
        ended = state.container(container.name).termination
        if ended is None or is_sidecar(container) or ended.exit_code == 0:
            continue
        if not restart.wanted(restart.init_policy(policy, container.restart_policy), ended.exit_code):
            return True
    return False


def comes_again(pod: Pod, state: PodState, name: str) -> bool:
    """Whether the ended container will be started again when its time has come."""
    known = state.container(name)
    if state.stop is not None or state.final_phase or known.termination is None:
        return False
    if any(each.name == name for each in pod.spec.ephemeral_containers):
        return False
    policy = pod.spec.restart_policy or restart.ALWAYS
    for init in pod.spec.init_containers:
        if init.name == name:
            policy = restart.init_policy(policy, init.restart_policy)
    return _runs_again(known, policy)


def grace_seconds(pod: Pod) -> float:
    """How long the pod may take to end once its deletion was asked for."""
    asked = pod.metadata.deletion_grace_period_seconds
    return float(asked) if asked is not None else spec_grace_seconds(pod)


def spec_grace_seconds(pod: Pod) -> float:
    own = pod.spec.termination_grace_period_seconds
    return float(own) if own is not None else DEFAULT_GRACE_SECONDS


def _succeeded(known: ContainerState) -> bool:
    return known.phase is Phase.TERMINATED and known.termination is not None and known.termination.exit_code == 0


def _runs(state: PodState, name: str) -> bool:
    return state.container(name).phase is Phase.RUNNING


def _active_deadline(pod: Pod, state: PodState) -> datetime | None:
    seconds = pod.spec.active_deadline_seconds
    if seconds is None or state.started_at is None:
        return None
    return state.started_at + timedelta(seconds=seconds)


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
