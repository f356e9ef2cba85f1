"""How pods are listed. STATUS is the one word that says most about what a pod is doing right now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controlplane.api.columns import AGE, NAME, Column, pick, since, text
from schema.base import Wire


def _restartable(container: Wire) -> bool:
    return bool(pick(container, "restartPolicy") == "Always")


def _init_status(wire: Wire) -> str | None:
    """``Init:1/3``, ``Init:ImagePullBackOff``, …; None once the init containers are through."""
    containers = {each.get("name"): each for each in pick(wire, "spec.initContainers") or ()}
    for index, status in enumerate(pick(wire, "status.initContainerStatuses") or ()):
        sidecar = _restartable(containers.get(status.get("name"), {}))
        ended, waiting = pick(status, "state.terminated"), pick(status, "state.waiting.reason")
        if (ended and ended.get("exitCode") == 0) or (sidecar and status.get("started")):
            continue
        if ended:
            return f"Init:{_ended(ended)}"
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}"
        return f"Init:{index}/{len(containers)}"
    return None


def _ended(state: Wire) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _running_status(wire: Wire, otherwise: str) -> str:
    """The first container that has a word to say decides, as in kubectl; a ready one beside it makes it Running."""
    word, running = otherwise, False
    for status in reversed(pick(wire, "status.containerStatuses") or []):
        waiting, ended = pick(status, "state.waiting.reason"), pick(status, "state.terminated")
        if waiting:
            word = str(waiting)
        elif ended:
            word = _ended(ended)
        elif status.get("ready") and pick(status, "state.running") is not None:
            running = True
    if word == "Completed" and running:
        return "Running" if _is_ready(wire) else "NotReady"
    return word


def _is_ready(wire: Wire) -> bool:
    conditions = pick(wire, "status.conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def _status(wire: Wire) -> str:
    word = str(pick(wire, "status.reason") or pick(wire, "status.phase") or "Pending")
    for condition in pick(wire, "status.conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            word = "SchedulingGated"
    initializing = _init_status(wire)
    word = initializing or _running_status(wire, word)
    if not pick(wire, "metadata.deletionTimestamp"):
        return word
    if pick(wire, "status.reason") == "NodeLost":
        return "Unknown"
    return word if pick(wire, "status.phase") in ("Succeeded", "Failed") else "Terminating"


def _counted(wire: Wire) -> Iterator[Any]:
    """Statuses of the containers that run beside each other: the main ones and restartable init containers."""
    sidecars = {each.get("name") for each in pick(wire, "spec.initContainers") or () if _restartable(each)}
    for status in pick(wire, "status.initContainerStatuses") or ():
        if status.get("name") in sidecars:
            yield status
    yield from pick(wire, "status.containerStatuses") or ()


def _ready(wire: Wire) -> str:
    sidecars = sum(1 for each in pick(wire, "spec.initContainers") or () if _restartable(each))
    total = len(pick(wire, "spec.containers") or ()) + sidecars
    ready = sum(1 for status in _counted(wire) if status.get("ready") and pick(status, "state.running") is not None)
    return f"{ready}/{total}"


def _restarts(wire: Wire) -> str:
    shown = list(_counted(wire)) if _init_status(wire) is None else pick(wire, "status.initContainerStatuses") or []
    total = sum(int(status.get("restartCount") or 0) for status in shown)
    ends = [end for status in shown if isinstance(end := pick(status, "lastState.terminated.finishedAt"), str)]
    return f"{total} ({since(max(ends))} ago)" if total and ends else str(total)


def _gates(wire: Wire) -> str:
    gates = [each.get("conditionType") for each in pick(wire, "spec.readinessGates") or ()]
    if not gates:
        return "<none>"
    true = {each.get("type") for each in pick(wire, "status.conditions") or () if each.get("status") == "True"}
    return f"{sum(1 for gate in gates if gate in true)}/{len(gates)}"


COLUMNS = (
    NAME,
    Column("Ready", _ready, description="Containers that are ready, of all."),
    Column("Status", _status, description="What the pod is doing, in one word."),
    Column("Restarts", _restarts, description="How often its containers were restarted, and when last."),
    AGE,
    Column("IP", text("status.podIP", "<none>"), priority=1),
    Column("Node", text("spec.nodeName", "<none>"), priority=1),
    Column("Nominated Node", text("status.nominatedNodeName", "<none>"), priority=1),
    Column("Readiness Gates", _gates, priority=1),
)
