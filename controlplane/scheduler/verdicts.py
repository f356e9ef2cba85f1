"""What the ``why`` document says of a pod and of a workload, from what was read of them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from controlplane.scheduler import causes
from controlplane.scheduler.causes import SEVERITY, State
from schema.base import Wire

MOST_PODS = 3
_WELL = ("Running", "Succeeded")


@dataclass(frozen=True)
class Verdict:
    state: State
    summary: str
    suggestion: str = ""
    details: Wire = field(default_factory=dict)

    def wire(self) -> Wire:
        return {"state": self.state, "summary": self.summary, "suggestion": self.suggestion, **self.details}


# Pods


def waits_for_scheduler(pod: Wire) -> bool:
    """It has no node, and the scheduler means to give it one."""
    phase = (pod.get("status") or {}).get("phase") or "Pending"
    return not pod["spec"].get("nodeName") and phase == "Pending" and not pod["spec"].get("schedulingGates")


def of_pod(pod: Wire, events: Sequence[Wire] = (), placement: Wire | None = None) -> Verdict:
    """``placement`` is `why.explain` of a pod that waits for the scheduler; absent, its condition is told."""
    status = pod.get("status") or {}
    found = causes.of_pod(pod, events)
    details: Wire = {"causes": [one.wire() for one in found]}
    if placement is not None:
        details["placement"] = placement
    if events:
        details["events"] = [causes.event_wire(one) for one in causes.newest(events)]
    if found:
        return Verdict(found[0].state, found[0].cause, found[0].suggestion, details)
    phase = status.get("phase") or "Pending"
    if phase == "Succeeded":
        return Verdict("Succeeded", "it has finished well", details=details)
    if phase == "Failed":
        return Verdict("Failed", status.get("message") or "it has failed", details=details)
    if not pod["spec"].get("nodeName"):
        return _without_node(pod, placement, details)
    ready = _condition(pod, "Ready")
    if phase == "Running" and ready.get("status") == "True":
        return Verdict("Running", f"it runs on {pod['spec']['nodeName']} and is ready", details=details)
    told = ready.get("message") or ready.get("reason")
    state: State = "NotReady" if phase == "Running" else "Waiting"
    return Verdict(state, told or f"it is {phase} on {pod['spec']['nodeName']} and not ready", details=details)


def _without_node(pod: Wire, placement: Wire | None, details: Wire) -> Verdict:
    gates = [one["name"] for one in pod["spec"].get("schedulingGates") or ()]
    if gates:
        names = ", ".join(gates)
        return Verdict("Pending", f"it waits for its scheduling gates: {names}", f"remove the gates {names}", details)
    if nominated := (pod.get("status") or {}).get("nominatedNodeName"):
        words = f"node {nominated} has been promised to it; pods of lower priority are ending there"
        return Verdict("Pending", words, details=details)
    if placement is not None:
        return Verdict("Pending", placement["summary"], placement["change"], details)
    told = _condition(pod, "PodScheduled").get("message")
    return Verdict("Pending", told or "it has no node yet", details=details)


def _condition(wire: Wire, type_: str) -> Wire:
    conditions: list[Wire] = (wire.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == type_), {})


# Workloads


def worst(pods: Iterable[Wire]) -> list[Wire]:
    """Those that are not well: one of each state before the second of any, the worst states first."""
    judged = [(of_pod(pod).state, pod["metadata"]["name"], pod) for pod in pods]
    bad = sorted(
        ((-SEVERITY[state], name, pod) for state, name, pod in judged if state not in _WELL), key=lambda x: x[:2]
    )
    seen: Counter[int] = Counter()
    ranked = []
    for severity, name, pod in bad:
        seen[severity] += 1
        ranked.append((seen[severity], severity, name, pod))
    return [pod for *_, pod in sorted(ranked, key=lambda x: x[:3])[:MOST_PODS]]


def of_workload(
    workload: Wire, pods: Sequence[Wire], bad: Sequence[tuple[Wire, Verdict]], events: Sequence[Wire] = ()
) -> Verdict:
    """``bad``: the verdicts of its `worst` pods. ``events``: its own, and those of its ReplicaSets."""
    wanted = _wanted(workload)
    active = [pod for pod in pods if _is_active(pod)]
    ready = sum(_condition(pod, "Ready").get("status") == "True" for pod in active)
    lacking = wanted - (len(active) if workload["kind"] == "Job" else ready)
    counts = {"wanted": wanted, "made": len(active), "ready": ready, "missing": max(lacking, 0)}
    details: Wire = {
        "pods": counts,
        "conditions": (workload.get("status") or {}).get("conditions") or [],
        "worstPods": [{"name": pod["metadata"]["name"], **verdict.wire()} for pod, verdict in bad],
        "events": [causes.event_wire(one) for one in causes.newest(events)],
    }
    for type_, state in (("Complete", "Succeeded"), ("Failed", "Failed")):
        over = _condition(workload, type_) if workload["kind"] == "Job" else {}
        if over.get("status") == "True":
            words = over.get("message") or ("it is complete" if type_ == "Complete" else "it has failed")
            suggestion = bad[0][1].suggestion if bad and type_ == "Failed" else ""
            return Verdict("Succeeded" if state == "Succeeded" else "Failed", words, suggestion, details)
    if workload["spec"].get("suspend"):
        return Verdict("Waiting", "it is suspended", "set spec.suspend to false", details)
    if not wanted:
        return Verdict("Running", "it asks for no pods", details=details)
    if lacking <= 0 and all(verdict.state == "Terminating" for _, verdict in bad):
        return Verdict("Running", f"all {wanted} pods are there", details=details)
    return _lacking(workload, counts, bad, events, details)


def _lacking(
    workload: Wire, counts: dict[str, int], bad: Sequence[tuple[Wire, Verdict]], events: Sequence[Wire], details: Wire
) -> Verdict:
    parts = [f"{counts['missing']} of {counts['wanted']} pods are missing"] if counts["missing"] > 0 else []
    if counts["made"] < counts["wanted"]:
        refused = _refusal(workload, events)
        unmade = counts["wanted"] - counts["made"]
        parts.append(f"{unmade} not made{': ' + refused if refused else ''}")
    if bad:
        pod, verdict = bad[0]
        parts.append(f"pod {pod['metadata']['name']}: {verdict.summary}")
        return Verdict(verdict.state, "; ".join(parts), verdict.suggestion, details)
    paused = f"resume it (kubectl rollout resume {workload['kind'].lower()} {workload['metadata']['name']})"
    return Verdict("Waiting", "; ".join(parts), paused if workload["spec"].get("paused") else "", details)


def _refusal(workload: Wire, events: Sequence[Wire]) -> str:
    """Why its pods are not even made: its condition, else the newest event that says so."""
    for type_ in ("ReplicaFailure", "Stalled"):
        failure = _condition(workload, type_)
        if failure.get("status") == "True":
            return str(failure.get("message") or failure.get("reason") or "")
    told = next((one for one in causes.newest(events) if one.get("reason") == "FailedCreate"), None)
    return str(told["message"]) if told is not None else ""


def _wanted(workload: Wire) -> int:
    """How many pods there should be at this moment."""
    spec, status = workload["spec"], workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return int(status.get("desiredNumberScheduled") or 0)
    if workload["kind"] != "Job":
        return int(spec.get("replicas", 1))
    if spec.get("suspend"):
        return 0
    parallel, completions = int(spec.get("parallelism", 1)), spec.get("completions")
    if completions is None:
        return parallel
    return max(min(parallel, int(completions) - int(status.get("succeeded") or 0)), 0)


def _is_active(pod: Wire) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]
