"""What a store holds from its first moment on. Made after each ``migrate`` (and after each flush between tests)."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, connection, transaction

from controlplane.store import objects
from controlplane.store.errors import AlreadyExists
from schema.base import Wire
from schema.kinds import INGRESS_CLASS, NAMESPACE, PRIORITY_CLASS, STORAGE_CLASS, Kind
from schema.networking.ingress import CONTROLLER as INGRESS_CONTROLLER
from schema.networking.ingress import DEFAULT_CLASS as DEFAULT_INGRESS_CLASS
from schema.storage.storageclass import FIRST_CONSUMER, IS_DEFAULT, PROVISIONER
from schema.validation.priorityclass import SYSTEM

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
LOCAL_CLASS = "local"
OWN_INGRESS_CLASS = "slipway"


def ensure_initial() -> None:
    """Idempotent, and safe when several processes come at once."""
    _ensure_revision()
    for name in NAMESPACES:
        _ensure(NAMESPACE, {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}})
    for name, value in SYSTEM.items():
        _ensure(PRIORITY_CLASS, _system_class(name, value))
    _ensure_storage_class()
    _ensure_ingress_class()


def _ensure_storage_class() -> None:
    """The class ``local``. It is the default one unless the users have chosen another."""
    present = objects.list_objects(STORAGE_CLASS).items
    if any(one["metadata"]["name"] == LOCAL_CLASS for one in present):
        return
    chosen = any((one["metadata"].get("annotations") or {}).get(IS_DEFAULT) == "true" for one in present)
    _ensure(
        STORAGE_CLASS,
        {
            "metadata": {"name": LOCAL_CLASS, "annotations": {} if chosen else {IS_DEFAULT: "true"}},
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": FIRST_CONSUMER,
            "allowVolumeExpansion": True,
        },
    )


def _ensure_ingress_class() -> None:
    """The class ``slipway``, likewise."""
    present = objects.list_objects(INGRESS_CLASS).items
    if any(one["metadata"]["name"] == OWN_INGRESS_CLASS for one in present):
        return
    chosen = any((one["metadata"].get("annotations") or {}).get(DEFAULT_INGRESS_CLASS) == "true" for one in present)
    annotations = {} if chosen else {DEFAULT_INGRESS_CLASS: "true"}
    metadata = {"name": OWN_INGRESS_CLASS, "annotations": annotations}
    _ensure(INGRESS_CLASS, {"metadata": metadata, "spec": {"controller": INGRESS_CONTROLLER}})


def _ensure(kind: Kind, obj: Wire) -> None:
    try:
        objects.create(kind, obj)
    except AlreadyExists:
        return


def _system_class(name: str, value: int) -> Wire:
    description = (
        "Used for system critical pods that must not be moved from their current node."
        if name == "system-node-critical"
        else "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    )
    return {
        "metadata": {"name": name},
        "value": value,
        "preemptionPolicy": "PreemptLowerPriority",
        "description": description,
    }


def _ensure_revision() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM store_revision WHERE id = 1")
        if cursor.fetchone():
            return
        try:
            with transaction.atomic():
                cursor.execute("INSERT INTO store_revision (id, value, compacted) VALUES (1, 0, 0)")
        except IntegrityError:
            return  # another process was faster


def after_migrate(sender: Any, using: str = "default", **_: Any) -> None:
    """Receiver of post_migrate. A migration backwards leaves no tables to fill."""
    if using == "default" and "store_revision" in connection.introspection.table_names():
        ensure_initial()
