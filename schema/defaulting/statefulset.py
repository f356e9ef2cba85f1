"""StatefulSet: one pod after another, updated from the highest ordinal down."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, children, fill
from schema.defaulting.storage import default_claim_spec
from schema.defaulting.workload import default_template


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    fill(spec, "podManagementPolicy", "OrderedReady")
    spec.setdefault("revisionHistoryLimit", 10)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    if isinstance(retention, dict):
        fill(retention, "whenDeleted", "Retain")
        fill(retention, "whenScaled", "Retain")
    _default_strategy(spec.setdefault("updateStrategy", {}))
    default_template(spec)
    for template in children(spec, "volumeClaimTemplates"):
        fill(template, "apiVersion", "v1")
        fill(template, "kind", "PersistentVolumeClaim")
        claim = child(template, "spec")
        if claim is not None:
            default_claim_spec(claim)


def _default_strategy(strategy: object) -> None:
    if not isinstance(strategy, dict):
        return
    fill(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        if isinstance(rolling, dict):
            rolling.setdefault("partition", 0)
