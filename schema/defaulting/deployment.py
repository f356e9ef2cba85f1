"""Deployment: one replica, updated by a quarter at a time, ten revisions kept, ten minutes for progress."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill
from schema.defaulting.workload import default_template

QUARTER = "25%"


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    spec.setdefault("replicas", 1)
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)
    default_template(spec)
    strategy = spec.setdefault("strategy", {})
    if isinstance(strategy, dict):
        fill(strategy, "type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            rolling = strategy.setdefault("rollingUpdate", {})
            if isinstance(rolling, dict):
                rolling.setdefault("maxUnavailable", QUARTER)
                rolling.setdefault("maxSurge", QUARTER)
