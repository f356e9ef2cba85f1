"""How builds are listed: how far they are, and what came of them."""

from __future__ import annotations

from datetime import UTC, datetime

from controlplane.api.columns import AGE, NAME, Column, human, pick, text
from schema.base import Wire


def _phase(wire: Wire) -> str:
    if pick(wire, "metadata.deletionTimestamp"):
        return "Terminating"
    phase = str(pick(wire, "status.phase") or "Pending")
    position = pick(wire, "status.queuePosition") or 0
    return f"{phase} ({position})" if phase == "Queued" and position else phase


def _steps(wire: Wire) -> str:
    steps = pick(wire, "status.steps") or ()
    done = sum(1 for step in steps if step.get("state") in ("Done", "Cached"))
    cached = sum(1 for step in steps if step.get("state") == "Cached")
    return f"{done} ({cached} cached)" if cached else str(done)


def _duration(wire: Wire) -> str:
    started, ended = pick(wire, "status.startTime"), pick(wire, "status.completionTime")
    if not isinstance(started, str):
        return ""
    until = datetime.fromisoformat(ended) if isinstance(ended, str) else datetime.now(UTC)
    return human((until - datetime.fromisoformat(started)).total_seconds())


COLUMNS = (
    NAME,
    Column("Phase", _phase, description="Pending, Queued (with its place), Building, Succeeded or Failed."),
    Column("Steps", _steps, description="Instructions that are done."),
    Column("Duration", _duration, description="From when its node took it up."),
    Column("Tag", lambda wire: str((pick(wire, "spec.tags") or [""])[0]), description="The image's first name."),
    AGE,
    Column("Reason", text("status.failure.reason"), description="Why it failed."),
    Column("Node", text("status.nodeName"), priority=1),
    Column("Digest", text("status.digest"), priority=1),
)
