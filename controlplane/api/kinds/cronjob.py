"""How cron jobs are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, count, pick, since, text
from schema.base import Wire


def _last(wire: Wire) -> str:
    stamp = pick(wire, "status.lastScheduleTime")
    return since(stamp) if stamp else "<none>"


def _suspended(wire: Wire) -> str:
    return str(bool(pick(wire, "spec.suspend")))


def _each(wire: Wire, field: str) -> str:
    containers = pick(wire, "spec.jobTemplate.spec.template.spec.containers") or ()
    return ",".join(str(each.get(field, "")) for each in containers)


COLUMNS = (
    NAME,
    Column("Schedule", text("spec.schedule"), description="Minute, hour, day of month, month, day of week."),
    Column(
        "Timezone", text("spec.timeZone", "<none>"), description="What the schedule is in; UTC where none is given."
    ),
    Column("Suspend", _suspended, description="Whether what falls due is skipped."),
    Column("Active", count("status.active"), type="integer", description="Jobs that run."),
    Column("Last Schedule", _last, description="How long ago a job was last due and made."),
    AGE,
    Column("Containers", lambda wire: _each(wire, "name"), priority=1),
    Column("Images", lambda wire: _each(wire, "image"), priority=1),
)
