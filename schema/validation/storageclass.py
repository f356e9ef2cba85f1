"""StorageClass: who makes its volumes, and when."""

from __future__ import annotations

from schema.base import Wire
from schema.storage.storageclass import FIRST_CONSUMER, PROVISIONER, StorageClass
from schema.validation.causes import Problems
from schema.validation.names import qualified_fault

_FIXED = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def check(storage_class: StorageClass, problems: Problems) -> None:
    provisioner = storage_class.provisioner
    if not provisioner:
        problems.required("provisioner")
    elif fault := qualified_fault(provisioner.lower()):
        problems.invalid("provisioner", provisioner, fault)
    if provisioner == PROVISIONER and storage_class.volume_binding_mode == "Immediate":
        why = f"a volume of {PROVISIONER} is made on the node of its first pod: it must be {FIRST_CONSUMER}"
        problems.invalid("volumeBindingMode", "Immediate", why)


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    for name in _FIXED:
        if new.get(name) != old.get(name):
            problems.forbidden(name, "updates to " + name + " are forbidden.")
