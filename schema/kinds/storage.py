"""The group storage.k8s.io."""

from __future__ import annotations

from schema.kind import Kind
from schema.storage.storageclass import StorageClass

STORAGE_CLASS = Kind(
    group="storage.k8s.io",
    version="v1",
    kind="StorageClass",
    plural="storageclasses",
    singular="storageclass",
    namespaced=False,
    model=StorageClass,
    short_names=("sc",),
)

ALL: tuple[Kind, ...] = (STORAGE_CLASS,)
