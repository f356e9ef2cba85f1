"""One module per kind: its table and what the store must know about it. A new kind is a new module and one line here."""

from __future__ import annotations

from controlplane.store.errors import NotFound
from controlplane.store.kinds import (
    build,
    configmap,
    controllerrevision,
    cronjob,
    customresource,
    customresourcedefinition,
    daemonset,
    deployment,
    endpoints,
    endpointslice,
    event,
    horizontalpodautoscaler,
    image,
    ingress,
    ingressclass,
    job,
    lease,
    limitrange,
    namespace,
    networkpolicy,
    node,
    persistentvolume,
    persistentvolumeclaim,
    pod,
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
    trigger,
)
from controlplane.store.storage import Storage
from schema.kinds import Kind

ALL: tuple[Storage, ...] = (
    namespace.STORAGE,
    node.STORAGE,
    pod.STORAGE,
    configmap.STORAGE,
    secret.STORAGE,
    event.STORAGE,
    serviceaccount.STORAGE,
    lease.STORAGE,
    ingress.STORAGE,
    ingressclass.STORAGE,
    service.STORAGE,
    endpoints.STORAGE,
    endpointslice.STORAGE,
    cronjob.STORAGE,
    horizontalpodautoscaler.STORAGE,
    job.STORAGE,
    persistentvolume.STORAGE,
    persistentvolumeclaim.STORAGE,
    storageclass.STORAGE,
    controllerrevision.STORAGE,
    daemonset.STORAGE,
    statefulset.STORAGE,
    limitrange.STORAGE,
    poddisruptionbudget.STORAGE,
    networkpolicy.STORAGE,
    priorityclass.STORAGE,
    resourcequota.STORAGE,
    deployment.STORAGE,
    replicaset.STORAGE,
    replicationcontroller.STORAGE,
    image.STORAGE,
    build.STORAGE,
    repository.STORAGE,
    trigger.STORAGE,
    customresourcedefinition.STORAGE,
)

TABLES = (*(storage.table for storage in ALL), customresource.CustomResource._meta.db_table)

_by_kind: dict[tuple[str, str], Storage] = {(storage.kind.api_version, storage.kind.kind): storage for storage in ALL}
_by_id: dict[str, Storage] = {storage.id: storage for storage in ALL}


def everything() -> tuple[Storage, ...]:
    """Of all kinds there are at this moment, custom ones too. One query."""
    return (*ALL, *(of(each.stored) for each in definitions.current().all))


def of(kind: Kind) -> Storage:
    if kind.custom is not None:
        return customresource.storage(kind)
    try:
        return _by_kind[kind.api_version, kind.kind]
    except KeyError:
        raise NotFound(f"the server stores no {kind.plural}", kind=kind) from None


def by_id(identifier: str) -> Storage:
    """From the word that history, labels and owners use."""
    found = _by_id.get(identifier)
    if found is not None:
        return found
    definition = definitions.known(identifier)
    return customresource.storage(definition.stored) if definition else customresource.forgotten(identifier)


from controlplane.store import definitions  # noqa: E402 - it reads a table of this package
