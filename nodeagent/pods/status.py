"""The status of a pod as users see it, from what is known of it. Pure.

Reasons and messages are Kubernetes' own, so that what people search for when something is wrong finds an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nodeagent.pods import identity, lifecycle, restart, transitions
from nodeagent.pods.state import (
    Condition,
    ContainerState,
    Phase,
    PodState,
    Problem,
    Retry,
    Termination,
)
from nodeagent.runtime import resources
from schema import meta
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod

ID_SCHEME = "slipway://"
PULL_ERROR_SHOWN = timedelta(seconds=2)
"""How long ErrImagePull is shown before the pod says that it waits (ImagePullBackOff)."""

_OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


@dataclass(frozen=True)
class Host:
    """What every pod of the node says about it."""

    addresses: Sequence[str] = ()


def build(pod: Pod, state: PodState, host: Host, now: datetime) -> tuple[Wire, PodState]:
    """The status, and the state with the conditions' transition times brought up to date."""
    conditions = _conditions(pod, state, now)
    phase = phase_of(pod, state)
    wire: Wire = {
        "phase": phase,
        "conditions": [*_foreign_conditions(pod, now), *(_condition_wire(c) for c in conditions.values())],
        "qosClass": resources.qos_class(pod),
    }
    if pod.metadata.generation:
        wire["observedGeneration"] = pod.metadata.generation
    wire |= _addresses(state, host)
    if state.started_at is not None:
        wire["startTime"] = meta.format_time(state.started_at)
    if state.stop is not None and state.stop.reason:
        wire |= {"reason": state.stop.reason, "message": state.stop.message}
    if pod.spec.init_containers:
        wire["initContainerStatuses"] = [_container(c, pod, state, now) for c in pod.spec.init_containers]
    wire["containerStatuses"] = [_container(c, pod, state, now) for c in pod.spec.containers]
    if pod.spec.ephemeral_containers:
        debuggers = [_container(c, pod, state, now) for c in pod.spec.ephemeral_containers]
        wire["ephemeralContainerStatuses"] = [each | {"ready": False} for each in debuggers]
    return wire, replace(state, conditions=conditions)


def _addresses(state: PodState, host: Host) -> Wire:
    wire: Wire = {}
    if host.addresses:
        wire |= {"hostIP": host.addresses[0], "hostIPs": [{"ip": ip} for ip in host.addresses]}
    if state.addresses:
        wire |= {"podIP": state.addresses[0], "podIPs": [{"ip": ip} for ip in state.addresses]}
    return wire


def phase_of(pod: Pod, state: PodState) -> str:
    if state.final_phase:
        return state.final_phase
    if not lifecycle.initialized(pod, state):
        return "Pending"
    mains = [state.container(c.name) for c in pod.spec.containers]
    if state.stop is not None and all(_at_rest(known) for known in mains):
        return _stopped_phase(mains)
    # A container that has run once and waits for its next start does not take the pod back to Pending.
    if any(known.phase is Phase.WAITING and known.last is None for known in mains):
        return "Pending"
    return "Running"


def _at_rest(known: ContainerState) -> bool:
    return known.phase is not Phase.RUNNING


def _stopped_phase(mains: Iterable[ContainerState]) -> str:
    codes = [known.termination.exit_code if known.termination else 1 for known in mains]
    return lifecycle.FAILED if any(codes) else lifecycle.SUCCEEDED


# Conditions


def _conditions(pod: Pod, state: PodState, now: datetime) -> dict[str, Condition]:
    initialized = _initialized(pod, state)
    containers_ready = _containers_ready(pod, state)
    ready = _ready(pod, containers_ready)
    up = state.set_up or any(known.phase is Phase.RUNNING for known in state.containers.values())
    sandbox = ("True" if up else "False", "", "")
    wanted = {"PodReadyToStartContainers": sandbox, "Initialized": initialized, "Ready": ready}
    wanted["ContainersReady"] = containers_ready
    return {
        kind: _condition(kind, *values, before=state.conditions.get(kind), now=now) for kind, values in wanted.items()
    }


_Values = tuple[str, str, str]
"""Status, reason, message."""


def _condition(
    kind: str, status: str, reason: str, message: str, *, before: Condition | None, now: datetime
) -> Condition:
    since = before.since if before is not None and before.status == status else now
    return Condition(kind, status, since, reason, message)


def _initialized(pod: Pod, state: PodState) -> _Values:
    if state.final_phase == lifecycle.SUCCEEDED:
        return ("True", "PodCompleted", "")
    waiting = [c.name for c in pod.spec.init_containers if not lifecycle.is_through(c, state.container(c.name))]
    if not waiting:
        return ("True", "", "")
    return ("False", "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(waiting)}]")


def _containers_ready(pod: Pod, state: PodState) -> _Values:
    if state.final_phase:
        return ("False", "PodCompleted" if state.final_phase == lifecycle.SUCCEEDED else "PodFailed", "")
    serving = [c for c in pod.spec.init_containers if lifecycle.is_sidecar(c)] + list(pod.spec.containers)
    unready = [c.name for c in serving if not is_ready(c, state)]
    if not unready:
        return ("True", "", "")
    return ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")


def _ready(pod: Pod, containers_ready: _Values) -> _Values:
    if containers_ready[0] != "True":
        return containers_ready
    told = {c.type: c.status for c in (pod.status.conditions if pod.status is not None else None) or ()}
    missing = [
        f'the status of pod readiness gate "{gate.condition_type}" is not "True", but {told.get(gate.condition_type)}'
        for gate in pod.spec.readiness_gates or ()
        if told.get(gate.condition_type) != "True"
    ]
    return ("False", "ReadinessGatesNotReady", ", ".join(missing)) if missing else ("True", "", "")


def is_ready(container: Container, state: PodState) -> bool:
    """Of a pod that is being deleted too: those who route to it look at its deletion first, and may have no other."""
    known = state.container(container.name)
    if not is_started(known) or known.failed or (known.stopping is not None and state.stop is None):
        return False
    return known.ready if container.readiness_probe is not None else True


def is_started(known: ContainerState) -> bool:
    """It runs, its postStart hook is through and its startup probe has succeeded."""
    return known.phase is Phase.RUNNING and not (known.post_start_pending or known.startup_pending)


def _condition_wire(condition: Condition) -> Wire:
    wire: Wire = {
        "type": condition.type,
        "status": condition.status,
        "lastProbeTime": None,
        "lastTransitionTime": meta.format_time(condition.since),
    }
    wire |= {key: value for key, value in (("reason", condition.reason), ("message", condition.message)) if value}
    return wire


def _foreign_conditions(pod: Pod, now: datetime) -> list[Wire]:
    """Conditions of the scheduler and of controllers: the whole status is replaced by ours, so they are carried along."""
    told = (pod.status.conditions if pod.status is not None else None) or ()
    kept = [c.wire() for c in told if c.type not in _OURS]
    if not any(c["type"] == "PodScheduled" for c in kept):
        since = pod.metadata.creation_timestamp or now
        kept.append(_condition_wire(Condition("PodScheduled", "True", since)))
    return kept


# Containers


def _container(container: Container, pod: Pod, state: PodState, now: datetime) -> Wire:
    known = state.container(container.name)
    shown, last = _states(container, pod, state, now)
    through_init = container in pod.spec.init_containers and not lifecycle.is_sidecar(container)
    wire: Wire = {
        "name": container.name,
        "state": shown,
        "lastState": {"terminated": _terminated(last)} if last is not None else {},
        "ready": _init_ready(known) if through_init else is_ready(container, state),
        "started": is_started(known),
        "restartCount": known.attempt,
        "image": container.image or "",
        "imageID": known.image_id,
    }
    if known.container_id:
        wire["containerID"] = ID_SCHEME + known.container_id
    return wire


def _init_ready(known: ContainerState) -> bool:
    return known.termination is not None and known.termination.exit_code == 0


def _states(container: Container, pod: Pod, state: PodState, now: datetime) -> tuple[Wire, Termination | None]:
    """``state`` as it travels, and the termination that ``lastState`` shows."""
    known = state.container(container.name)
    if known.phase is Phase.RUNNING and known.started_at is not None:
        return {"running": {"startedAt": meta.format_time(known.started_at)}}, known.last
    if known.phase is Phase.TERMINATED and known.termination is not None:
        if known.crashes == 0 or not lifecycle.comes_again(pod, state, known.name):
            return {"terminated": _terminated(known.termination)}, known.last
        return {"waiting": _crash_loop(known, pod)}, known.termination
    return {"waiting": _waiting(known, pod, state, now)}, known.last


def log_container_id(container: Container, pod: Pod, state: PodState, now: datetime, *, previous: bool) -> str:
    """Whose log is meant: the current attempt's, or that of the last one that ended; empty when there is none."""
    shown, last = _states(container, pod, state, now)
    if previous or "waiting" in shown:
        return last.container_id if last is not None else ""
    return state.container(container.name).container_id


def waiting_reason(container: Container, pod: Pod, state: PodState, now: datetime) -> str:
    shown, _ = _states(container, pod, state, now)
    return str((shown.get("waiting") or {}).get("reason") or "")


def _crash_loop(known: ContainerState, pod: Pod) -> Wire:
    return {"reason": "CrashLoopBackOff", "message": crash_loop_message(known, pod)}


def crash_loop_message(known: ContainerState, pod: Pod) -> str:
    delay = restart.go_duration(restart.backoff_seconds(known.crashes))
    text = f"back-off {delay} restarting failed container={known.name} pod={identity.full_name(pod)}"
    ended = known.termination
    return f"{text}: {ended.message}" if ended is not None and ended.reason == restart.CANNOT_RUN else text


def _waiting(known: ContainerState, pod: Pod, state: PodState, now: datetime) -> Wire:
    if known.problem is not None:
        return _problem(known.problem, pod, known.name, now)
    pulling = state.pull_messages.get(known.name, "") if known.name in state.pulling else ""
    if not lifecycle.initialized(pod, state):
        return {"reason": "PodInitializing"} | _message(state.problem.message if state.problem else pulling)
    if state.problem is not None:
        return {"reason": "ContainerCreating", "message": state.problem.message}
    creating = "PodInitializing" if pod.spec.init_containers else "ContainerCreating"
    return {"reason": creating} | _message(pulling)


def _message(text: str) -> Wire:
    return {"message": text} if text else {}


def _problem(problem: Problem, pod: Pod, name: str, now: datetime) -> Wire:
    if problem.kind is Retry.IMAGE and problem.reason == "ErrImagePull" and now >= problem.since + PULL_ERROR_SHOWN:
        image = next((c.image for c in transitions.containers(pod) if c.name == name), "")
        message = f'Back-off pulling image "{image}": ErrImagePull: {problem.message}'
        return {"reason": "ImagePullBackOff", "message": message}
    return {"reason": problem.reason, "message": problem.message}


def _terminated(ended: Termination) -> Wire:
    wire: Wire = {
        "exitCode": ended.exit_code,
        "reason": ended.reason,
        "startedAt": meta.format_time(ended.started_at or ended.finished_at),
        "finishedAt": meta.format_time(ended.finished_at),
    }
    if ended.message:
        wire["message"] = ended.message
    if ended.container_id:
        wire["containerID"] = ID_SCHEME + ended.container_id
    return wire


def next_change(state: PodState, now: datetime) -> datetime | None:
    """When the status will say something else although nothing happens: ErrImagePull becomes ImagePullBackOff."""
    times = [
        known.problem.since + PULL_ERROR_SHOWN
        for known in state.containers.values()
        if known.problem is not None and known.problem.reason == "ErrImagePull"
    ]
    return min((time for time in times if time > now), default=None)


def is_settled(wire: Mapping[str, object]) -> bool:
    """Whether the status says more than "on its way": such a one is worth a frame of its own at once."""
    kinds = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
    statuses = [status for kind in kinds for status in _list(wire, kind)]
    on_its_way = ("ContainerCreating", "PodInitializing")
    return any((status["state"].get("waiting") or {}).get("reason") not in on_its_way for status in statuses)


def _list(wire: Mapping[str, object], key: str) -> list[Wire]:
    value = wire.get(key)
    return value if isinstance(value, list) else []
