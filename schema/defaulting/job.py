"""Job: one pod, six failures, unless it says otherwise."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting import pod
from schema.defaulting.parts import child, children, fill

_UNBOUNDED = 2**31 - 1


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    default_spec(spec)
    metadata = child(wire, "metadata")
    given = child(child(spec, "template") or {}, "metadata") or {}
    labels = child(given, "labels")
    if metadata is not None and labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


def default_spec(spec: Wire) -> None:
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", 6 if spec.get("backoffLimitPerIndex") is None else _UNBOUNDED)
    fill(spec, "completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    policy = child(spec, "podFailurePolicy")
    fill(spec, "podReplacementPolicy", "TerminatingOrFailed" if policy is None else "Failed")
    for rule in children(policy or {}, "rules"):
        for pattern in children(rule, "onPodConditions"):
            fill(pattern, "status", "True")
    default_template(spec)


def default_template(spec: Wire) -> None:
    inner = child(child(spec, "template") or {}, "spec")
    if inner is not None:
        # There is no default for restartPolicy: Always would never end.
        given = inner.get("restartPolicy")
        pod.default_spec(inner)
        if not given:
            del inner["restartPolicy"]
