"""The way of every object through validation: structure, metadata, its kind's own rules, and what may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schema import kinds
from schema.base import Wire
from schema.kinds import Kind
from schema.meta import Object
from schema.validation import (
    build,
    configmap,
    controllerrevision,
    cronjob,
    custom,
    customresourcedefinition,
    daemonset,
    deployment,
    endpoints,
    event,
    horizontalpodautoscaler,
    image,
    ingress,
    job,
    lease,
    limitrange,
    metadata,
    namespace,
    networkpolicy,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
    pod_update,
    poddisruptionbudget,
    priorityclass,
    replicaset,
    replicationcontroller,
    repository,
    resourcequota,
    secret,
    service,
    serviceaccount,
    statefulset,
    storageclass,
    structure,
    trigger,
)
from schema.validation.causes import REQUIRED, Cause, Problems

NameFault = Callable[[str], str]


@dataclass(frozen=True)
class Rules:
    """``check`` looks at one object, ``create`` at a new one; ``update`` at what changed, on wire objects, except through
    one of the ``subresources``; ``name`` says what a name lacks."""

    check: Callable[[Any, Problems], None]
    update: Callable[[Wire, Wire, Problems], None] | None = None
    name: NameFault = metadata.subdomain_fault
    create: Callable[[Any, Problems], None] | None = None
    subresources: Mapping[str, Callable[[Wire, Wire, Problems], None]] = field(default_factory=dict)


_RULES: dict[Kind, Rules] = {
    kinds.POD: Rules(
        pod.check,
        pod_update.check,
        create=pod.check_new,
        subresources={"ephemeralcontainers": pod_update.check_ephemeral_containers},
    ),
    kinds.NODE: Rules(node.check, node.check_update),
    kinds.NAMESPACE: Rules(namespace.check, name=metadata.label_fault),
    kinds.CONFIG_MAP: Rules(configmap.check, configmap.check_update),
    kinds.SECRET: Rules(secret.check, secret.check_update),
    kinds.EVENT: Rules(event.check),
    kinds.SERVICE_ACCOUNT: Rules(serviceaccount.check),
    kinds.CRON_JOB: Rules(cronjob.check),
    kinds.HORIZONTAL_POD_AUTOSCALER: Rules(horizontalpodautoscaler.check),
    kinds.JOB: Rules(job.check, job.check_update),
    kinds.LEASE: Rules(lease.check),
    kinds.INGRESS: Rules(ingress.check),
    kinds.INGRESS_CLASS: Rules(ingress.check_class, ingress.check_class_update),
    kinds.SERVICE: Rules(service.check, service.check_update, name=service.name_fault),
    kinds.ENDPOINTS: Rules(endpoints.check),
    kinds.ENDPOINT_SLICE: Rules(endpoints.check_slice, endpoints.check_slice_update),
    kinds.PERSISTENT_VOLUME: Rules(persistentvolume.check, persistentvolume.check_update),
    kinds.PERSISTENT_VOLUME_CLAIM: Rules(persistentvolumeclaim.check, persistentvolumeclaim.check_update),
    kinds.DAEMON_SET: Rules(daemonset.check, daemonset.check_update),
    kinds.STATEFUL_SET: Rules(statefulset.check, statefulset.check_update, statefulset.name_fault),
    kinds.STORAGE_CLASS: Rules(storageclass.check, storageclass.check_update),
    kinds.LIMIT_RANGE: Rules(limitrange.check),
    kinds.POD_DISRUPTION_BUDGET: Rules(poddisruptionbudget.check),
    kinds.NETWORK_POLICY: Rules(networkpolicy.check),
    kinds.PRIORITY_CLASS: Rules(priorityclass.check, priorityclass.check_update),
    kinds.RESOURCE_QUOTA: Rules(resourcequota.check, resourcequota.check_update),
    kinds.CONTROLLER_REVISION: Rules(controllerrevision.check, controllerrevision.check_update),
    kinds.DEPLOYMENT: Rules(deployment.check, deployment.check_update),
    kinds.REPLICA_SET: Rules(replicaset.check, replicaset.check_update),
    kinds.REPLICATION_CONTROLLER: Rules(replicationcontroller.check),
    kinds.IMAGE: Rules(image.check),
    kinds.BUILD: Rules(build.check, build.check_update),
    kinds.REPOSITORY: Rules(repository.check, repository.check_update),
    kinds.TRIGGER: Rules(trigger.check),
    kinds.CUSTOM_RESOURCE_DEFINITION: Rules(customresourcedefinition.check, customresourcedefinition.check_update),
}


def validate(kind: Kind, new: Wire, old: Wire | None = None, subresource: str = "") -> list[Cause]:
    """What is wrong with ``new``, which `default` has seen; with ``old``, also what of it may not change.

    A write to ``status`` (and to no other subresource) is held to the structure only: its spec is the stored one.
    """
    problems = Problems()
    read = structure.read(kind, new, problems)
    structure.check_words(kind.model, new, problems)
    if read is not None and kind.custom is not None:
        custom.check(kind, kind.custom, read, new, old, problems)
    elif read is not None and subresource != "status":
        _check(kind, read, new, old, subresource, problems)
    return _first_per_field(problems.causes)


def _check(kind: Kind, read: Object, new: Wire, old: Wire | None, subresource: str, problems: Problems) -> None:
    rules = _RULES[kind]
    metadata.check(read.metadata, namespaced=kind.namespaced, name_fault=rules.name, problems=problems)
    rules.check(read, problems)
    if old is not None:
        metadata.check_update(new, old, problems)
        if (update := rules.subresources.get(subresource, rules.update)) is not None:
            update(new, old, problems)
    elif rules.create is not None:
        rules.create(read, problems)


def _first_per_field(causes: list[Cause]) -> list[Cause]:
    """A value that is missing is not also invalid, and nothing is said twice."""
    if not causes:
        return causes
    required = {cause.field for cause in causes if cause.reason == REQUIRED}
    return [cause for cause in dict.fromkeys(causes) if cause.reason == REQUIRED or cause.field not in required]
