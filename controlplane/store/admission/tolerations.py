"""How long a new pod stays on a node that is lost: tolerations for those that say nothing of it themselves."""

from __future__ import annotations

from django.conf import settings

from schema.base import Wire

TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def admit(pod: Wire) -> Wire:
    """As Kubernetes' DefaultTolerationSeconds, in the store, because controllers make pods too."""
    return with_defaults(pod, settings.DEFAULT_TOLERATION_SECONDS)


def with_defaults(pod: Wire, seconds: int) -> Wire:
    spec = pod.get("spec") or {}
    given = spec.get("tolerations") or []
    missing = [key for key in TAINTS if not any(_speaks_of(each, key) for each in given)]
    if not missing:
        return pod
    added = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds} for key in missing]
    return {**pod, "spec": {**spec, "tolerations": [*given, *added]}}


def _speaks_of(toleration: Wire, key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")
