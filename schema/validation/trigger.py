"""Trigger: what its target can do, and whether the numbers of replicas belong together."""

from __future__ import annotations

from schema.slipway.trigger import Trigger, TriggerSpec
from schema.validation.causes import Problems

CANNOT = {
    "Scale": {"DaemonSet": "its number of pods follows the nodes"},
    "Redeploy": {
        "ReplicaSet": "a new template does not replace its pods",
        "ReplicationController": "a new template does not replace its pods",
    },
}
_NUMBERS = {"replicas": "replicas", "min_replicas": "minReplicas", "max_replicas": "maxReplicas"}


def check(wanted: Trigger, problems: Problems) -> None:
    spec = wanted.spec
    if not spec.target.name:
        problems.required("spec.target.name", "the name of the workload")
    why = CANNOT.get(spec.action, {}).get(spec.target.kind)
    if why is not None:
        problems.invalid("spec.action", spec.action, f"a {spec.target.kind} cannot be used with it: {why}")
    if spec.action == "Scale":
        _check_numbers(spec, problems)
    else:
        for attribute, name in _NUMBERS.items():
            if getattr(spec, attribute) is not None:
                problems.forbidden(f"spec.{name}", "only with the action Scale")


def _check_numbers(spec: TriggerSpec, problems: Problems) -> None:
    if spec.replicas is not None:
        for attribute in ("min_replicas", "max_replicas"):
            if getattr(spec, attribute) is not None:
                problems.forbidden(f"spec.{_NUMBERS[attribute]}", "may not be used together with replicas")
    elif spec.max_replicas is None:
        problems.required("spec.maxReplicas", "needed with the action Scale where replicas is not given")
    elif spec.max_replicas < (spec.min_replicas or 0):
        problems.invalid("spec.maxReplicas", spec.max_replicas, "must not be smaller than minReplicas")
