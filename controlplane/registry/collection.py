"""Collections as they are asked for and recorded: by the clock, by ``manage.py registry-gc``, over the API."""

from __future__ import annotations

import logging
from datetime import timedelta

from controlplane.controllers.broker import Work
from controlplane.registry import catalogue, leases, setting, sweeping, usage
from controlplane.registry.errors import Busy
from controlplane.registry.models import Collection
from schema import kinds, meta
from schema.base import Wire

log = logging.getLogger(__name__)

COLLECT = "controlplane.controllers.tasks.collect_registry"
KEPT = 50
"""Records of collections."""


def ask(who: str) -> Collection:
    """A record of a collection that is still to be done: `work` of it has to be queued."""
    return Collection.objects.create(started=meta.now(), asked_by=who)


def work(record: Collection | None = None) -> Work:
    return Work(COLLECT, (str(record.pk) if record is not None else "",))


def perform(record: Collection, *, grace: timedelta | None = None) -> Collection:
    """Collect, and write down what came of it. Raises `Busy`."""
    record.started = meta.now()
    try:
        freed = sweeping.collect(
            catalogue.storage(), needed=usage.digests, grace=setting.grace() if grace is None else grace
        )
    except OSError as error:
        record.error, record.finished = str(error), meta.now()
        record.save()
        raise
    record.manifests, record.layers, record.blobs = freed.manifests, freed.layers, freed.blobs
    record.freed_bytes, record.busy, record.finished = freed.bytes, freed.busy, meta.now()
    record.save()
    leases.forget(meta.now() - timedelta(days=1))
    _forget_old()
    log.info("registry: %s", sentence(record))
    return record


def run(number: str) -> Collection | None:
    """The task: an asked-for collection, or the one that is due. None: another one goes on, come again."""
    record = Collection(started=meta.now())
    if number:
        asked = Collection.objects.filter(pk=number).first()
        if asked is None or asked.finished is not None:
            return record
        record = asked
    try:
        return perform(record)
    except Busy:
        return None


def sentence(record: Collection) -> str:
    if record.error:
        return f"the collection failed: {record.error}"
    busy = f"; {record.busy} repositories were being pushed into and wait" if record.busy else ""
    return (
        f"freed {record.freed_bytes} bytes: {record.manifests} manifests, {record.layers} links to layers, "
        f"{record.blobs} blobs{busy}"
    )


def wire(record: Collection) -> Wire:
    status: Wire = {
        "startedAt": meta.format_time(record.started),
        "manifests": record.manifests,
        "layers": record.layers,
        "blobs": record.blobs,
        "freedBytes": record.freed_bytes,
        "busyRepositories": record.busy,
    }
    if record.finished is not None:
        status |= {"finishedAt": meta.format_time(record.finished), "message": sentence(record)}
    if record.error:
        status["error"] = record.error
    return {
        "apiVersion": kinds.REPOSITORY.api_version,
        "kind": "Collection",
        "metadata": {"name": str(record.pk), "creationTimestamp": meta.format_time(record.started)},
        "spec": {"askedBy": record.asked_by},
        "status": status,
    }


def _forget_old() -> None:
    kept = Collection.objects.order_by("-pk").values_list("pk", flat=True)[:KEPT]
    Collection.objects.exclude(pk__in=list(kept)).delete()
