"""What the API server fills in: one function per kind, on wire objects, in place.

They come before validation, so they fill in only where the structure is right and leave the rest for it to report.
"""

from __future__ import annotations

from collections.abc import Callable

from schema import fields, kinds
from schema.base import Wire
from schema.custom import defaulting, pruning
from schema.defaulting import (
    build,
    cronjob,
    customresourcedefinition,
    daemonset,
    deployment,
    endpoints,
    horizontalpodautoscaler,
    job,
    limitrange,
    namespace,
    networkpolicy,
    pod,
    priorityclass,
    replicaset,
    replicationcontroller,
    repository,
    secret,
    service,
    statefulset,
    storage,
    trigger,
)
from schema.kinds import Kind
from schema.meta import ObjectMeta

_BY_KIND: dict[Kind, Callable[[Wire], None]] = {
    kinds.POD: pod.default,
    kinds.NAMESPACE: namespace.default,
    kinds.SECRET: secret.default,
    kinds.SERVICE: service.default,
    kinds.ENDPOINTS: endpoints.default,
    kinds.ENDPOINT_SLICE: endpoints.default_slice,
    kinds.CRON_JOB: cronjob.default,
    kinds.HORIZONTAL_POD_AUTOSCALER: horizontalpodautoscaler.default,
    kinds.JOB: job.default,
    kinds.PERSISTENT_VOLUME: storage.default_volume,
    kinds.PERSISTENT_VOLUME_CLAIM: storage.default_claim,
    kinds.STORAGE_CLASS: storage.default_class,
    kinds.DAEMON_SET: daemonset.default,
    kinds.STATEFUL_SET: statefulset.default,
    kinds.LIMIT_RANGE: limitrange.default,
    kinds.NETWORK_POLICY: networkpolicy.default,
    kinds.PRIORITY_CLASS: priorityclass.default,
    kinds.DEPLOYMENT: deployment.default,
    kinds.REPLICA_SET: replicaset.default,
    kinds.REPLICATION_CONTROLLER: replicationcontroller.default,
    kinds.BUILD: build.default,
    kinds.REPOSITORY: repository.default,
    kinds.TRIGGER: trigger.default,
    kinds.CUSTOM_RESOURCE_DEFINITION: customresourcedefinition.default,
}


def default(kind: Kind, wire: Wire) -> None:
    """Tidy the object (drops nulls and unknown fields: ask `unknown_fields` first) and fill in what is absent."""
    if kind.custom is not None:
        if isinstance(wire.get("metadata"), dict):
            fields.tidy(ObjectMeta, wire["metadata"])
        pruning.prune(kind.custom.schema, wire)
        defaulting.default(kind.custom.schema, wire)
        return
    fields.tidy(kind.model, wire)
    if kind in _BY_KIND:
        _BY_KIND[kind](wire)
