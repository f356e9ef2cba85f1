"""DaemonSet: one node after another is updated."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill
from schema.defaulting.workload import default_template


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    spec.setdefault("revisionHistoryLimit", 10)
    strategy = spec.setdefault("updateStrategy", {})
    if isinstance(strategy, dict):
        fill(strategy, "type", "RollingUpdate")
        rolling = strategy.setdefault("rollingUpdate", {}) if strategy["type"] == "RollingUpdate" else None
        if isinstance(rolling, dict):
            rolling.setdefault("maxSurge", 0)
            rolling.setdefault("maxUnavailable", 1)
    default_template(spec)
