"""What a build has come to, from its pod. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from schema import meta
from schema.base import Wire
from schema.slipway.building import BUILDING, CONTAINER, ENDED, FAILED, PENDING, QUEUED, SUCCEEDED

UPLOAD_LIFE = timedelta(hours=1)
"""A build whose context does not come within that has failed."""
_FROM_NODE = ("digest", "sources", "image", "imageID", "tags", "sizeBytes", "warnings", "failure")


@dataclass(frozen=True)
class Result:
    phase: str
    reason: str = ""
    message: str = ""
    status: Wire | None = None
    """Fields of the status beside phase and failure."""


def is_over(build: Wire) -> bool:
    """This attempt has ended: nothing about it changes any more."""
    status = build.get("status") or {}
    return status.get("phase") in ENDED and status.get("attempt") == attempt(build)


def attempt(build: Wire) -> int:
    return int(build["spec"].get("attempt") or 1)


def waits_for_context(build: Wire) -> bool:
    wanted = (build["spec"].get("context") or {}).get("upload")
    return bool(wanted) and not ((build.get("status") or {}).get("context") or {}).get("digest")


def awaited(build: Wire, now: datetime) -> Result:
    """A build whose context is not here."""
    created = meta.parse_time(build["metadata"]["creationTimestamp"])
    if now - created > UPLOAD_LIFE:
        hours = UPLOAD_LIFE.total_seconds() / 3600
        return Result(FAILED, "ContextMissing", f"its context was not sent within {hours:.0f} hour")
    return Result(PENDING, "ContextMissing", "it waits for its context: manage.py build, or PUT …/context")


def read(pod: Wire) -> Result:
    """Of a pod that is there."""
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    if not spec.get("nodeName"):
        return Result(QUEUED, "WaitingForBuilder", _why_unscheduled(status))
    container = _container(status)
    ended = (container.get("state") or {}).get("terminated")
    phase = status.get("phase")
    if ended is None and phase not in ("Succeeded", "Failed"):
        return Result(BUILDING, "Building", _why_waiting(container))
    told = _told(ended or {})
    if phase == "Failed" and status.get("reason"):  # the pod's own end: a deadline, an eviction, a lost node
        return _stopped(status)
    if ended is None:
        return Result(
            FAILED, "BuilderLost", "the pod that built is gone without a result; raise spec.attempt to try again"
        )
    return _ended(ended, told)


def _ended(ended: Wire, told: Wire) -> Result:
    fields = {name: told[name] for name in _FROM_NODE if told.get(name)}
    if ended.get("exitCode") == 0 and told.get("digest"):
        return Result(SUCCEEDED, "Built", "", fields)
    failure: dict[str, Any] = told.get("failure") or {}
    if failure:
        return Result(FAILED, str(failure.get("reason")), str(failure.get("message")), fields)
    if ended.get("reason") == "OOMKilled":
        why = "the build needed more memory than its limit; raise spec.resources.limits.memory, and spec.attempt"
        return Result(FAILED, "OutOfMemory", why, fields)
    why = f"the builder ended without a result (exit code {ended.get('exitCode')}); raise spec.attempt to try again"
    return Result(FAILED, "BuilderKilled", f"{why}. {ended.get('message') or ''}".strip(), fields)


def _stopped(status: Wire) -> Result:
    reason, message = str(status["reason"]), str(status.get("message") or "")
    if reason == "DeadlineExceeded":
        return Result(FAILED, "Timeout", "it took longer than spec.timeoutSeconds")
    return Result(FAILED, reason, message or "its pod was ended from outside; raise spec.attempt to try again")


def _told(ended: Wire) -> Wire:
    """What the builder left as its last word."""
    try:
        told = json.loads(ended.get("message") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _container(status: Wire) -> Wire:
    found = (each for each in status.get("containerStatuses") or () if each.get("name") == CONTAINER)
    return next(found, {})


def _why_unscheduled(status: Wire) -> str:
    conditions: list[Wire] = [each for each in status.get("conditions") or () if each.get("type") == "PodScheduled"]
    return str((conditions[0] if conditions else {}).get("message") or "it waits for a node with a free builder")


def _why_waiting(container: Wire) -> str:
    return str(((container.get("state") or {}).get("waiting") or {}).get("message") or "")


def started_at(pod: Wire) -> str:
    return str((pod.get("status") or {}).get("startTime") or "")


def expires_at(build: Wire) -> datetime | None:
    seconds, ended = build["spec"].get("ttlSecondsAfterFinished"), (build.get("status") or {}).get("completionTime")
    return None if seconds is None or not ended else meta.parse_time(ended) + timedelta(seconds=seconds)


def position(build: Wire, others: list[Wire]) -> int:
    """Its place among the builds that wait for a builder: 1 is the next."""
    mine = _order(build)
    waiting = [each for each in others if (each.get("status") or {}).get("phase") == QUEUED and not is_over(each)]
    return 1 + sum(1 for each in waiting if _order(each) < mine)


def _order(build: Wire) -> tuple[str, str]:
    return build["metadata"]["creationTimestamp"], build["metadata"]["uid"]
