"""What the failure of a pod means, by the job's podFailurePolicy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controlplane.controllers.jobs.pods import Pod
from schema.base import Wire

COUNT, IGNORE, FAIL_INDEX, FAIL_JOB = "Count", "Ignore", "FailIndex", "FailJob"


@dataclass(frozen=True)
class Verdict:
    action: str = COUNT
    message: str = ""
    """Which rule matched and why, in a sentence."""


def judge(policy: Wire | None, pod: Pod) -> Verdict:
    """The first rule that matches decides; without one a failure counts."""
    for position, rule in enumerate((policy or {}).get("rules") or ()):
        found = _match(rule, pod)
        if found:
            action = rule["action"]
            return Verdict(action, f"{found} matching {action} rule at index {position}")
    return Verdict()


def _match(rule: Wire, pod: Pod) -> str:
    codes = rule.get("onExitCodes")
    if codes:
        return _match_codes(codes, pod)
    where = f"{pod.wire['metadata'].get('namespace', '')}/{pod.name}"
    for pattern in rule.get("onPodConditions") or ():
        wanted = pattern.get("status") or "True"
        for condition in pod.status.get("conditions") or ():
            if condition.get("type") == pattern["type"] and condition.get("status") == wanted:
                return f"Pod {where} has condition {pattern['type']}"
    return ""


def _match_codes(codes: Wire, pod: Pod) -> str:
    for name, code in _exit_codes(pod):
        if codes.get("containerName") not in (None, name) or code == 0:
            continue
        if (code in codes["values"]) is (codes["operator"] == "In"):
            where = f"{pod.wire['metadata'].get('namespace', '')}/{pod.name}"
            return f"Container {name} for pod {where} failed with exit code {code}"
    return ""


def _exit_codes(pod: Pod) -> Iterator[tuple[str, int]]:
    for status in pod.container_statuses():
        ended = (status.get("state") or {}).get("terminated")
        if ended:
            yield str(status.get("name")), int(ended.get("exitCode") or 0)
