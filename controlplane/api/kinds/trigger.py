"""How triggers are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick, since, text
from schema.base import Wire


def _target(wire: Wire) -> str:
    return f"{pick(wire, 'spec.target.kind')}/{pick(wire, 'spec.target.name')}"


def _armed(wire: Wire) -> bool:
    return bool(pick(wire, "status.secretIssuedAt")) and not pick(wire, "spec.suspend")


def _last(wire: Wire) -> str:
    return since(stamp) if (stamp := pick(wire, "status.lastUsed")) else "<none>"


COLUMNS = (
    NAME,
    Column("Target", _target, description="The workload that is acted upon."),
    Column("Action", text("spec.action"), description="What happens to it."),
    Column("Armed", _armed, type="boolean", description="There is an address for it, and it is not suspended."),
    Column("Used", lambda wire: pick(wire, "status.used") or 0, type="integer", description="How often it has acted."),
    Column("Last-Used", _last, description="How long ago it acted last."),
    AGE,
    Column("Last-Result", text("status.lastResult"), priority=1),
)
