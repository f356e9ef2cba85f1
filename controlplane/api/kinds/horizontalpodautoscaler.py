"""How autoscalers are listed: what is used beside what should be."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from schema.base import Wire


def _reference(wire: Wire) -> str:
    return f"{pick(wire, 'spec.scaleTargetRef.kind')}/{pick(wire, 'spec.scaleTargetRef.name')}"


def _targets(wire: Wire) -> str:
    """``cpu: 50%/80%``; what is not known is ``<unknown>``."""
    current = [_source(each) for each in pick(wire, "status.currentMetrics") or ()]
    shown = []
    for metric in pick(wire, "spec.metrics") or ():
        source = _source(metric)
        name, container = source.get("name"), source.get("container")
        found: Wire = next(
            (each for each in current if (each.get("name"), each.get("container")) == (name, container)), {}
        )
        field = "averageUtilization" if pick(source, "target.averageUtilization") is not None else "averageValue"
        used, unit = pick(found, f"current.{field}"), "%" if field == "averageUtilization" else ""
        wanted = pick(source, f"target.{field}")
        label = f"{name}/{container}" if container else name
        shown.append(f"{label}: {'<unknown>' if used is None else f'{used}{unit}'}/{wanted}{unit}")
    return ", ".join(shown) or "<none>"


def _source(metric: Wire) -> Wire:
    found: Wire = metric.get("containerResource") or metric.get("resource") or {}
    return found


COLUMNS = (
    NAME,
    Column("Reference", _reference, description="What is scaled."),
    Column("Targets", _targets, description="What is used, and what should be."),
    Column("MinPods", lambda wire: str(pick(wire, "spec.minReplicas") or 1)),
    Column("MaxPods", lambda wire: pick(wire, "spec.maxReplicas") or 0, type="integer"),
    Column("Replicas", lambda wire: pick(wire, "status.currentReplicas") or 0, type="integer"),
    AGE,
)
