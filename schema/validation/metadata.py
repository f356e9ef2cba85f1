"""The metadata of every object."""

from __future__ import annotations

from collections.abc import Callable

from schema.base import Wire
from schema.meta import ObjectMeta, OwnerReference
from schema.validation.causes import Problems
from schema.validation.names import check_annotations, check_labels, label_fault, qualified_fault, subdomain_fault

__all__ = ["check", "check_update", "label_fault", "subdomain_fault"]

_UNCHANGEABLE = ("name", "namespace", "uid", "creationTimestamp")


def check(metadata: ObjectMeta, *, namespaced: bool, name_fault: Callable[[str], str], problems: Problems) -> None:
    _check_name(metadata, name_fault, problems)
    if namespaced and not metadata.namespace:
        problems.required("metadata.namespace")
    elif not namespaced and metadata.namespace:
        problems.forbidden("metadata.namespace", "not allowed on this type")
    elif namespaced and (fault := label_fault(metadata.namespace)):
        problems.invalid("metadata.namespace", metadata.namespace, fault)
    if metadata.generation < 0:
        problems.invalid("metadata.generation", metadata.generation, "must be greater than or equal to 0")
    check_labels(metadata.labels, "metadata.labels", problems)
    check_annotations(metadata.annotations, "metadata.annotations", problems)
    _check_owners(metadata.owner_references, problems)
    _check_finalizers(metadata.finalizers, problems)


def _check_name(metadata: ObjectMeta, name_fault: Callable[[str], str], problems: Problems) -> None:
    # The server's suffix ends a generated name, so a trailing dash is in order.
    if metadata.generate_name and (fault := name_fault(metadata.generate_name.rstrip("-") + "x")):
        problems.invalid("metadata.generateName", metadata.generate_name, fault)
    if not metadata.name:
        if not metadata.generate_name:
            problems.required("metadata.name", "name or generateName is required")
    elif fault := name_fault(metadata.name):
        problems.invalid("metadata.name", metadata.name, fault)


def _check_owners(owners: list[OwnerReference], problems: Problems) -> None:
    controllers = [owner.name for owner in owners if owner.controller]
    if len(controllers) > 1:
        problems.invalid(
            "metadata.ownerReferences",
            controllers,
            "Only one reference can have Controller set to true",
        )
    for position, owner in enumerate(owners):
        path = f"metadata.ownerReferences[{position}]"
        for name, value in (
            ("apiVersion", owner.api_version),
            ("kind", owner.kind),
            ("name", owner.name),
            ("uid", owner.uid),
        ):
            if not value:
                problems.required(f"{path}.{name}", "must not be empty")
        if owner.kind == "Event" and owner.api_version == "v1":
            problems.invalid(path, owner.kind, "Event is disallowed from being an owner")


def _check_finalizers(finalizers: list[str], problems: Problems) -> None:
    for position, finalizer in enumerate(finalizers):
        path = f"metadata.finalizers[{position}]"
        if fault := qualified_fault(finalizer):
            problems.invalid(path, finalizer, fault)
        elif "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            problems.invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        problems.invalid(
            "metadata.finalizers", finalizers, "finalizer orphan and foregroundDeletion cannot be both set"
        )


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    """Who an object is cannot change, and one that is on its way out takes no new finalizers."""
    given, stored = new["metadata"], old["metadata"]
    for name in _UNCHANGEABLE:
        if given.get(name) != stored.get(name):
            problems.immutable(f"metadata.{name}", given.get(name))
    if not stored.get("deletionTimestamp"):
        return
    before = stored.get("finalizers", [])
    added = [each for each in given.get("finalizers", []) if each not in before]
    if added:
        problems.forbidden(
            "metadata.finalizers",
            f"no new finalizers can be added if the object is being deleted, found new finalizers {added}",
        )
