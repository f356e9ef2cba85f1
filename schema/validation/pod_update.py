"""What of a pod may change after its creation."""

from __future__ import annotations

import copy
from typing import Any

from schema.base import Wire
from schema.validation.causes import Problems

_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.schedulingGates` (only removals)"
)
_GATED_PLACEMENT = ("nodeSelector", "affinity")


def check(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = (new.get("spec") or {}), old["spec"]
    if given == stored:
        return
    if not stored.get("nodeName") and given.get("nodeName"):
        problems.forbidden("spec.nodeName", "may only be set through the binding subresource")
    _check_container_counts(given, stored, problems)
    _check_deadline(given.get("activeDeadlineSeconds"), stored.get("activeDeadlineSeconds"), problems)
    _check_tolerations(given.get("tolerations") or [], stored.get("tolerations") or [], problems)
    _check_gates(given, stored, problems)
    if not problems.causes and _fixed(given, stored) != _fixed(stored, stored):
        problems.forbidden("spec", f"{_RULE}: {_differences(_fixed(given, stored), _fixed(stored, stored))}")


def check_ephemeral_containers(new: Wire, old: Wire, problems: Problems) -> None:
    """They are only ever added: what one has seen and done stays told."""
    path = "spec.ephemeralContainers"
    given = {each.get("name"): each for each in new["spec"].get("ephemeralContainers") or []}
    for each in old["spec"].get("ephemeralContainers") or []:
        name = each["name"]
        if name not in given:
            problems.forbidden(path, f"existing ephemeral containers {name!r} may not be removed")
        elif given[name] != each:
            problems.forbidden(path, f"existing ephemeral containers {name!r} may not be changed")


def _check_container_counts(given: Wire, stored: Wire, problems: Problems) -> None:
    for name in ("containers", "initContainers"):
        if len(given.get(name) or []) != len(stored.get(name) or []):
            problems.forbidden(f"spec.{name}", "pod updates may not add or remove containers")


def _check_deadline(new: int | None, old: int | None, problems: Problems) -> None:
    path = "spec.activeDeadlineSeconds"
    if old is not None and new is None:
        problems.invalid(path, new, "must not update from a positive integer to nil value")
    elif old is not None and new is not None and new > old:
        problems.invalid(path, new, f"must be less than or equal to previous value ({old})")


def _check_tolerations(new: list[Wire], old: list[Wire], problems: Problems) -> None:
    """Existing ones stay, but for the time they hold."""

    def identity(toleration: Wire) -> Wire:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [identity(each) for each in new]
    if any(identity(each) not in kept for each in old):
        problems.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")


def _check_gates(given: Wire, stored: Wire, problems: Problems) -> None:
    before = {gate["name"] for gate in stored.get("schedulingGates") or []}
    after = [gate["name"] for gate in given.get("schedulingGates") or []]
    if added := [name for name in after if name not in before]:
        problems.forbidden("spec.schedulingGates", f"only deletion is allowed, but found new scheduling gates {added}")


def _fixed(spec: Wire, stored: Wire) -> Wire:
    """The spec without what may change. ``stored`` says whether the pod is still held back by gates."""
    fixed = copy.copy(spec)
    for name in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        fixed.pop(name, None)
    for name in ("containers", "initContainers"):
        containers = fixed.get(name) or []
        fixed[name] = [{key: value for key, value in each.items() if key != "image"} for each in containers]
    if stored.get("schedulingGates"):
        for name in _GATED_PLACEMENT:
            fixed.pop(name, None)
    return {name: value for name, value in fixed.items() if value not in ([], {}, "", None, False)}


def _differences(new: Wire, old: Wire) -> str:
    """Which fields differ, as paths: a user wants to know what to put back."""
    return ", ".join(_differing(new, old, "spec"))


def _differing(new: Any, old: Any, path: str) -> list[str]:
    if new == old:
        return []
    if isinstance(new, dict) and isinstance(old, dict):
        names = dict.fromkeys([*old, *new])
        return [found for name in names for found in _differing(new.get(name), old.get(name), f"{path}.{name}")]
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        pairs = enumerate(zip(new, old, strict=True))
        return [found for position, (one, two) in pairs for found in _differing(one, two, f"{path}[{position}]")]
    return [f"{path} differs"]
