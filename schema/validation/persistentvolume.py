"""PersistentVolume: exactly one source, what it holds, and what of it stays for its life."""

from __future__ import annotations

from schema.base import Wire
from schema.core.persistentvolume import PersistentVolume, PersistentVolumeSpec
from schema.validation import affinity
from schema.validation.causes import Problems
from schema.validation.names import subdomain_fault
from schema.validation.persistentvolumeclaim import check_access_modes, check_storage

SOURCES = ("csi", "hostPath", "local", "nfs")
_ATTRIBUTES = {"csi": "csi", "hostPath": "host_path", "local": "local", "nfs": "nfs"}


def check(volume: PersistentVolume, problems: Problems) -> None:
    spec = volume.spec
    check_access_modes(spec.access_modes, "spec.accessModes", problems)
    if "storage" not in spec.capacity:
        problems.required("spec.capacity")
    check_storage(spec.capacity, "spec.capacity", problems)
    _check_source(spec, problems)
    if spec.storage_class_name and (fault := subdomain_fault(spec.storage_class_name)):
        problems.invalid("spec.storageClassName", spec.storage_class_name, fault)
    if spec.node_affinity is not None:
        if spec.node_affinity.required is None:
            problems.required("spec.nodeAffinity.required", "must specify required node constraints")
        else:
            affinity.check_node_selector(spec.node_affinity.required, "spec.nodeAffinity.required", problems)
    if spec.claim_ref is not None:
        for name, value in (("name", spec.claim_ref.name), ("namespace", spec.claim_ref.namespace)):
            if not value:
                problems.required(f"spec.claimRef.{name}")


def _check_source(spec: PersistentVolumeSpec, problems: Problems) -> None:
    given = [name for name in SOURCES if getattr(spec, _ATTRIBUTES[name]) is not None]
    if not given:
        problems.required("spec", "must specify a volume type")
    for name in given[1:]:
        problems.forbidden(f"spec.{name}", "may not specify more than 1 volume type")
    for name, source in (("hostPath", spec.host_path), ("local", spec.local)):
        if source is None:
            continue
        if not source.path:
            problems.required(f"spec.{name}.path")
        elif not source.path.startswith("/"):
            problems.invalid(f"spec.{name}.path", source.path, "must be an absolute path")
        elif ".." in source.path.split("/"):
            problems.invalid(f"spec.{name}.path", source.path, "must not contain '..'")
        elif source.path == "/" and spec.persistent_volume_reclaim_policy == "Delete":
            problems.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'Delete' for a path of '/'")
    if spec.local is not None and spec.node_affinity is None:
        problems.required("spec.nodeAffinity", "Local volume requires node affinity")
    if spec.csi is not None:
        for name, value in (("driver", spec.csi.driver), ("volumeHandle", spec.csi.volume_handle)):
            if not value:
                problems.required(f"spec.csi.{name}")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old["spec"]
    for name in SOURCES:
        if given.get(name) != stored.get(name):
            problems.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
            break
    if given.get("volumeMode") != stored.get("volumeMode"):
        problems.immutable("spec.volumeMode", given.get("volumeMode"))
    if stored.get("nodeAffinity") and given.get("nodeAffinity") != stored["nodeAffinity"]:
        problems.immutable("spec.nodeAffinity", given.get("nodeAffinity"))
