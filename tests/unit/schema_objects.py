"""The least that objects of each kind must say."""

from schema import kinds
from schema.base import Wire

TEMPLATE: Wire = {"spec": {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}}
BARE: dict[kinds.Kind, Wire] = {
    kinds.JOB: {"template": TEMPLATE},
    kinds.CRON_JOB: {"schedule": "@daily", "jobTemplate": {"spec": {"template": TEMPLATE}}},
    kinds.DAEMON_SET: {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE},
    kinds.STATEFUL_SET: {"selector": {"matchLabels": {"app": "x"}}, "template": TEMPLATE},
    kinds.TRIGGER: {"target": {"kind": "Deployment", "name": "web"}},
    kinds.HORIZONTAL_POD_AUTOSCALER: {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3},
    kinds.BUILD: {"dockerfile": "FROM redis", "tags": ["app"]},
}
"""Specs of the kinds that need one."""


def wire(kind, **fields) -> Wire:
    metadata = {"name": "x", "namespace": "default"} if kind.namespaced else {"name": "x"}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}
