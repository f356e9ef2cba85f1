"""Why a pod that has a node does not run: cause, evidence and a suggestion. Pure.

Everything is read from status and events; nothing is guessed that they do not say.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from schema.base import Wire

State = Literal["Running", "Succeeded", "Terminating", "Waiting", "NotReady", "Pending", "Failed", "CrashLooping"]
SEVERITY: dict[State, int] = {state: rank for rank, state in enumerate(get_args(State))}
"""The worst has the highest."""
MOST_EVENTS = 10
_FINISHED = ("Succeeded", "Failed")
_EXIT_CODES = {
    126: ("cannot be executed", "make the command executable (chmod +x), for the right architecture"),
    127: ("command not found", "correct the command, or use an image that has it"),
}
_SIGNALS = {
    "SIGKILL": "look for who killed it: a liveness probe, a stop beyond the grace period, or memory",
    "SIGTERM": "it was asked to stop: see the events for who asked",
    "SIGSEGV": "it broke by itself: see its log, and whether the image is for this architecture",
}
_WAITING = {
    "ErrImagePull": "correct the image's name and tag, or give credentials (imagePullSecrets) for its registry",
    "ImagePullBackOff": "correct the image's name and tag, or give credentials (imagePullSecrets) for its registry",
    "ErrImageNeverPull": "load the image on the node, or set imagePullPolicy to IfNotPresent",
    "InvalidImageName": "correct the image's name",
    "CreateContainerConfigError": "create the ConfigMap or Secret (or its key) that the message names",
    "CreateContainerError": "correct what the runtime refused: command, working directory, mounts or user",
    "RunContainerError": "correct what the runtime refused: command, working directory, mounts or user",
    "FailedMount": "create what the volume needs, as the message says",
}
_POD_REASONS = {
    "DeadlineExceeded": "raise activeDeadlineSeconds, or make it finish sooner",
    "Evicted": "request what it really uses, or free the node of what fills it",
    "NodeLost": "bring the node back; a workload replaces the pod by itself",
}
_ON_ITS_WAY = ("ContainerCreating", "PodInitializing")


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a pod from running."""

    state: State
    cause: str
    """A sentence."""
    suggestion: str = ""
    container: str = ""
    evidence: Wire | None = None

    def wire(self) -> Wire:
        told = {"container": self.container, "suggestion": self.suggestion, "evidence": self.evidence}
        return {"state": self.state, "cause": self.cause, **{key: value for key, value in told.items() if value}}


def of_pod(pod: Wire, events: Sequence[Wire]) -> list[Finding]:
    """The worst first; empty for a pod that runs, is ready, or has finished well."""
    found = [*_of_whole(pod, events), *_of_containers(pod, events)]
    return sorted(found, key=lambda finding: -SEVERITY[finding.state])


def _of_whole(pod: Wire, events: Sequence[Wire]) -> Iterator[Finding]:
    status = pod.get("status") or {}
    if "deletionTimestamp" in pod["metadata"]:
        held = pod["metadata"].get("finalizers") or ()
        why = f", held by the finalizers {', '.join(held)}" if held else ""
        yield Finding("Terminating", f"it is being deleted since {pod['metadata']['deletionTimestamp']}{why}")
    reason = status.get("reason")
    if reason and status.get("phase") == "Failed":
        cause = status.get("message") or reason
        yield Finding("Failed", cause, _POD_REASONS.get(reason, ""), evidence={"reason": reason})
    if pod["spec"].get("nodeName") and not status.get("containerStatuses") and status.get("phase") not in _FINISHED:
        warning = _last_warning(events, "")
        node = pod["spec"]["nodeName"]
        if warning is not None:
            suggestion = _WAITING.get(warning["reason"], "")
            yield Finding("Waiting", warning["message"], suggestion, evidence=_evidence_of_event(warning))
        else:
            yield Finding("Waiting", f"node {node} has not begun with it", f"see whether node {node} is ready")


def _of_containers(pod: Wire, events: Sequence[Wire]) -> Iterator[Finding]:
    status = pod.get("status") or {}
    specs = {one["name"]: one for one in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"])}
    for field in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(field) or ():
            finding = _of_container(pod, one, specs.get(one["name"]) or {}, field, events)
            if finding is not None:
                yield finding


def _of_container(pod: Wire, status: Wire, spec: Wire, field: str, events: Sequence[Wire]) -> Finding | None:
    name, state = status["name"], status.get("state") or {}
    last = (status.get("lastState") or {}).get("terminated")
    if ended := state.get("terminated"):
        return _ended(status, spec, ended, events, state="Failed") if ended.get("exitCode") else None
    if waiting := state.get("waiting"):
        reason = waiting.get("reason") or ""
        if reason == "CrashLoopBackOff":
            return _ended(status, spec, last or {}, events, state="CrashLooping", waiting=waiting)
        warning = _last_warning(events, name) if reason in _ON_ITS_WAY else None
        cause = waiting.get("message") or (warning or {}).get("message") or _on_its_way(pod, reason)
        suggestion = _WAITING.get(reason) or _WAITING.get((warning or {}).get("reason", ""), "")
        evidence = {"reason": reason, "image": spec.get("image"), **_last_event(events, name)}
        return Finding("Waiting", cause, suggestion, name, _without_empty(evidence))
    if state.get("running") is not None and field == "containerStatuses" and not status.get("ready"):
        return _unready(status, events)
    return None


def _on_its_way(pod: Wire, reason: str) -> str:
    if reason == "PodInitializing":
        busy = [
            one["name"]
            for one in (pod.get("status") or {}).get("initContainerStatuses") or ()
            if ((one.get("state") or {}).get("terminated") or {}).get("exitCode") != 0
        ]
        return f"it waits for init container {busy[0]}" if busy else "it waits for the init containers"
    return f"it is being made ({reason})" if reason else "it is being made"


def _ended(
    status: Wire, spec: Wire, ended: Wire, events: Sequence[Wire], *, state: State, waiting: Wire | None = None
) -> Finding:
    name = status["name"]
    cause, suggestion = _why_it_ended(name, spec, ended, events)
    if waiting is not None:
        cause = f"it keeps ending ({status.get('restartCount', 0)} restarts): {cause}"
    evidence = {
        "reason": (waiting or ended).get("reason"),
        "lastReason": ended.get("reason") if waiting is not None else None,
        "exitCode": ended.get("exitCode"),
        "signal": signal_of(ended),
        "oomKilled": ended.get("reason") == "OOMKilled" or None,
        "terminationMessage": ended.get("message"),
        "finishedAt": ended.get("finishedAt"),
        "restartCount": status.get("restartCount"),
        **_last_event(events, name),
    }
    return Finding(state, cause, suggestion, name, _without_empty(evidence))


def _why_it_ended(name: str, spec: Wire, ended: Wire, events: Sequence[Wire]) -> tuple[str, str]:
    code = ended.get("exitCode")
    if code is None:
        return f"container {name} ended; how is not known any more", f"read its log (kubectl logs --previous -c {name})"
    if ended.get("reason") == "OOMKilled":
        limit = ((spec.get("resources") or {}).get("limits") or {}).get("memory")
        words = f"its memory limit of {limit}" if limit else "the memory there was"
        raise_ = f"raise the memory limit above {limit}" if limit else "give it a memory request that fits its use"
        return f"container {name} was killed for using more than {words}", f"{raise_}, or make it use less"
    probe = next((one for one in _about(events, name) if one["reason"] in ("Killing", "Unhealthy")), None)
    if probe is not None and "iveness probe" in probe["message"]:
        return f"container {name} failed its liveness probe: {probe['message']}", (
            "correct the liveness probe, give it more time (initialDelaySeconds, a startupProbe), or what it asks"
        )
    log = f"read its log (kubectl logs --previous -c {name})"
    if code == 0:
        return f"container {name} finishes (exit code 0), which restartPolicy Always does not allow", (
            "run something that stays, or use a Job"
        )
    if code in _EXIT_CODES:
        words, suggestion = _EXIT_CODES[code]
        return f"container {name} ended with exit code {code}: {words}", suggestion
    if number := signal_of(ended):
        return f"container {name} was ended by {number} (exit code {code})", _SIGNALS.get(number, log)
    message = (ended.get("message") or "").strip()
    return f"container {name} ended with exit code {code}{': ' + message.splitlines()[-1] if message else ''}", log


def signal_of(ended: Wire) -> str:
    """``SIGKILL``; empty where no signal ended it. Exit codes above 128 tell one, by the shells' convention."""
    code = int(ended.get("exitCode") or 0)
    number = int(ended.get("signal") or 0) or (code - 128 if 128 < code < 128 + 65 else 0)
    try:
        return signal.Signals(number).name if number else ""
    except ValueError:
        return ""


def _unready(status: Wire, events: Sequence[Wire]) -> Finding:
    name = status["name"]
    probe = next((one for one in _about(events, name) if one["reason"] == "Unhealthy"), None)
    starting = status.get("started") is False
    which = "startup" if starting else "readiness"
    cause = f"container {name} runs but its {which} probe has not passed"
    if probe is not None:
        cause += f": {probe['message']}"
    suggestion = f"see why it does not answer (kubectl logs -c {name}), or correct the {which} probe"
    return Finding("NotReady", cause, suggestion, name, _without_empty(_last_event(events, name)) or None)


def _without_empty(evidence: Mapping[str, object]) -> Wire:
    return {key: value for key, value in evidence.items() if value not in (None, "")}


# Events


def newest(events: Iterable[Wire]) -> list[Wire]:
    """The newest first, at most `MOST_EVENTS`."""
    return sorted(events, key=_when, reverse=True)[:MOST_EVENTS]


def _when(event: Wire) -> str:
    return str(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp") or "")


def event_wire(event: Wire) -> Wire:
    return {
        "type": event.get("type", ""),
        "reason": event.get("reason", ""),
        "message": event.get("message", ""),
        "count": event.get("count", 1),
        "lastTimestamp": _when(event),
    }


def _about(events: Sequence[Wire], container: str) -> list[Wire]:
    """Those about one container of the pod, the newest first."""
    paths = (f"spec.containers{{{container}}}", f"spec.initContainers{{{container}}}")
    return [
        one
        for one in sorted(events, key=_when, reverse=True)
        if (one.get("involvedObject") or {}).get("fieldPath") in paths
    ]


def _last_warning(events: Sequence[Wire], container: str) -> Wire | None:
    """The newest about this container or the whole pod, except what the scheduler said before."""
    for one in sorted(events, key=_when, reverse=True):
        if one.get("type") != "Warning" or one.get("reason") == "FailedScheduling":
            continue
        path = (one.get("involvedObject") or {}).get("fieldPath") or ""
        if not path or (container and f"{{{container}}}" in path):
            return one
    return None


def _last_event(events: Sequence[Wire], container: str) -> Wire:
    warning = next((one for one in _about(events, container) if one.get("type") == "Warning"), None)
    return {"event": event_wire(warning)} if warning is not None else {}


def _evidence_of_event(event: Wire) -> Wire:
    return {"reason": event["reason"], "event": event_wire(event)}
