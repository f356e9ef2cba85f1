"""PersistentVolumeClaim: what is asked for, and what of it may be asked for later."""

from __future__ import annotations

from schema import quantity
from schema.base import Wire
from schema.core.persistentvolumeclaim import PersistentVolumeClaim
from schema.core.resources import ResourceList
from schema.core.volume import PersistentVolumeClaimSpec
from schema.validation.causes import Problems
from schema.validation.names import check_labels, qualified_fault, subdomain_fault

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_BOUND = "is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def check(claim: PersistentVolumeClaim, problems: Problems) -> None:
    check_spec(claim.spec, "spec", problems)


def check_spec(spec: PersistentVolumeClaimSpec, path: str, problems: Problems) -> None:
    """Also for the claim templates of other kinds; ``path`` is where the spec is."""
    check_access_modes(spec.access_modes, f"{path}.accessModes", problems)
    requests = spec.resources.requests if spec.resources else {}
    if "storage" not in requests:
        problems.required(f"{path}.resources[storage]")
    check_storage(requests, f"{path}.resources.requests", problems)
    if spec.resources:
        check_storage(spec.resources.limits, f"{path}.resources.limits", problems)
    if spec.storage_class_name and (fault := subdomain_fault(spec.storage_class_name)):
        problems.invalid(f"{path}.storageClassName", spec.storage_class_name, fault)
    if spec.volume_name and (fault := subdomain_fault(spec.volume_name)):
        problems.invalid(f"{path}.volumeName", spec.volume_name, fault)
    if spec.selector is not None:
        check_labels(spec.selector.match_labels, f"{path}.selector.matchLabels", problems)
        for position, each in enumerate(spec.selector.match_expressions):
            if fault := qualified_fault(each.key):
                problems.invalid(f"{path}.selector.matchExpressions[{position}].key", each.key, fault)


def check_access_modes(modes: list[str], path: str, problems: Problems) -> None:
    if not modes:
        problems.required(path, "at least 1 access mode is required")
    for position, mode in enumerate(modes):
        if mode not in ACCESS_MODES:
            problems.not_supported(f"{path}[{position}]", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        problems.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def check_storage(amounts: ResourceList, path: str, problems: Problems) -> None:
    for name, amount in amounts.items():
        if name != "storage":
            problems.not_supported(f"{path}[{name}]", name, ["storage"])
        elif quantity.valid(amount) and quantity.sign(amount) <= 0:
            problems.invalid(f"{path}[storage]", amount, "must be greater than zero")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old["spec"]
    if given == stored:
        return
    was, wanted = requested(stored), requested(given)
    if was and wanted and quantity.valid(wanted) and quantity.compare(wanted, was) < 0:
        problems.forbidden("spec.resources.requests.storage", "field can not be less than previous value")
    elif was != wanted and (old.get("status") or {}).get("phase") != "Bound":
        problems.forbidden("spec.resources.requests.storage", "only a bound claim can ask for more")
    if _fixed(given) != _fixed(stored) and not _binds(given, stored):
        changed = sorted(name for name in {*given, *stored} if given.get(name) != stored.get(name))
        problems.forbidden("spec", f"{_BOUND}: {', '.join(changed)} may not change")


def requested(spec: Wire) -> str:
    """The storage asked for; empty where none is."""
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage") or "")


def _fixed(spec: Wire) -> Wire:
    return {key: value for key, value in spec.items() if key not in ("resources", "volumeAttributesClassName")}


def _binds(given: Wire, stored: Wire) -> bool:
    """Somebody names the volume of a claim that had none."""
    without = {key: value for key, value in _fixed(given).items() if key != "volumeName"}
    return not stored.get("volumeName") and without == _fixed(stored)
