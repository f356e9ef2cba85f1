"""HorizontalPodAutoscaler: by cpu, and Kubernetes' pace."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child, fill

_UP: Wire = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: Wire = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    fill(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = child(spec, "behavior")
    if behavior is not None:
        for name, rules in (("scaleUp", _UP), ("scaleDown", _DOWN)):
            if isinstance(behavior.get(name, {}), dict):  # what is of another type is for validation to name
                behavior[name] = {**rules, **behavior.get(name, {})}
