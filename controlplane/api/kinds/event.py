"""How events are listed."""

from __future__ import annotations

from controlplane.api.columns import Column, pick, since, text
from schema.base import Wire


def _last_seen(wire: Wire) -> str:
    for path in ("series.lastObservedTime", "lastTimestamp", "eventTime", "firstTimestamp"):
        if stamp := pick(wire, path):
            return since(stamp)
    return "<unknown>"


def _first_seen(wire: Wire) -> str:
    return since(pick(wire, "firstTimestamp") or pick(wire, "eventTime"))


def _object(wire: Wire) -> str:
    kind, name = pick(wire, "involvedObject.kind"), pick(wire, "involvedObject.name")
    return f"{str(kind or '').lower()}/{name}" if name else str(kind or "").lower()


def _source(wire: Wire) -> str:
    component = pick(wire, "source.component") or pick(wire, "reportingComponent") or ""
    host = pick(wire, "source.host") or pick(wire, "reportingInstance")
    return f"{component}, {host}" if host else str(component)


COLUMNS = (
    Column("Last Seen", _last_seen, description="Time since it was last observed."),
    Column("Type", text("type")),
    Column("Reason", text("reason")),
    Column("Object", _object),
    Column("Subobject", text("involvedObject.fieldPath"), priority=1),
    Column("Source", _source, priority=1),
    Column("Message", lambda wire: str(pick(wire, "message") or "").strip()),
    Column("First Seen", _first_seen, priority=1),
    Column("Count", lambda wire: pick(wire, "series.count") or pick(wire, "count") or 1, type="integer", priority=1),
    Column("Name", text("metadata.name"), format="name", priority=1),
)
