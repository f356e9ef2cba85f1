"""How jobs are listed: how far they are, and how long they took."""

from __future__ import annotations

from datetime import UTC, datetime

from controlplane.api.columns import AGE, NAME, Column, human, pick
from schema.base import Wire


def _completions(wire: Wire) -> str:
    succeeded = pick(wire, "status.succeeded") or 0
    wanted, parallelism = pick(wire, "spec.completions"), pick(wire, "spec.parallelism") or 0
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _is(wire: Wire, type_: str) -> bool:
    conditions = pick(wire, "status.conditions") or ()
    return any(each.get("type") == type_ and each.get("status") == "True" for each in conditions)


def _status(wire: Wire) -> str:
    for type_, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if _is(wire, type_):
            return word
    if pick(wire, "metadata.deletionTimestamp"):
        return "Terminating"
    for type_ in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _is(wire, type_):
            return type_
    return "Running"


def _duration(wire: Wire) -> str:
    started, ended = pick(wire, "status.startTime"), pick(wire, "status.completionTime")
    if not isinstance(started, str):
        return ""
    until = datetime.fromisoformat(ended) if isinstance(ended, str) else datetime.now(UTC)
    return human((until - datetime.fromisoformat(started)).total_seconds())


def _each(wire: Wire, field: str) -> str:
    containers = pick(wire, "spec.template.spec.containers") or ()
    return ",".join(str(each.get(field, "")) for each in containers)


def _selector(wire: Wire) -> str:
    labels = pick(wire, "spec.selector.matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


COLUMNS = (
    NAME,
    Column("Status", _status, description="Running, Suspended, Complete, Failed, or what it is going to be."),
    Column("Completions", _completions, description="Successes of those wanted."),
    Column("Duration", _duration, description="From its start to its completion, or to now."),
    AGE,
    Column("Containers", lambda wire: _each(wire, "name"), priority=1),
    Column("Images", lambda wire: _each(wire, "image"), priority=1),
    Column("Selector", _selector, priority=1),
)
