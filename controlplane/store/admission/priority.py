"""The priority of a new pod, from its PriorityClass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controlplane.store import kinds
from controlplane.store.errors import Forbidden
from controlplane.store.transaction import Transaction
from schema.base import Wire
from schema.kinds import POD, PRIORITY_CLASS

PREEMPT = "PreemptLowerPriority"


@dataclass(frozen=True)
class Class:
    name: str
    value: int
    policy: str = PREEMPT
    is_default: bool = False


NONE = Class("", 0)


def admit(tx: Transaction, name: str, pod: Wire) -> Wire:
    rows = tx.rows_in(kinds.of(PRIORITY_CLASS), "")
    return resolve(name, pod, [read(row.name, row.spec) for row in rows])


def read(name: str, content: Wire) -> Class:
    """From a PriorityClass: its top-level fields."""
    policy = content.get("preemptionPolicy") or PREEMPT
    return Class(name, content.get("value") or 0, policy, bool(content.get("globalDefault")))


def resolve(name: str, pod: Wire, classes: Iterable[Class]) -> Wire:
    """The pod with the priority and preemption policy of its class, or of the default one.

    Who names a priority beside it must name the same (Kubernetes' rule). A pod that names only a number keeps it: a
    user's was refused before it came here.
    """
    spec = pod.get("spec") or {}
    wanted = spec.get("priorityClassName") or ""
    if not wanted and spec.get("priority") is not None:
        return pod
    found = _find(name, wanted, classes)
    _check_given(name, spec, found)
    resolved: dict[str, Any] = {"priority": found.value, "preemptionPolicy": found.policy}
    if found.name:
        resolved["priorityClassName"] = found.name
    return {**pod, "spec": {**spec, **resolved}}


def check_number(name: str, pod: Wire, classes: Iterable[Class]) -> None:
    """A user may not choose a number: it must be that of the class, or of the default where none is named."""
    spec = pod.get("spec") or {}
    _check_given(name, spec, _find(name, spec.get("priorityClassName") or "", classes))


def _find(pod: str, wanted: str, classes: Iterable[Class]) -> Class:
    if wanted:
        found = next((each for each in classes if each.name == wanted), None)
        if found is None:
            raise _refusal(pod, f"no PriorityClass with name {wanted} was found")
        return found
    defaults = (each for each in classes if each.is_default)
    return min(defaults, key=lambda each: (each.value, each.name), default=NONE)


def _check_given(pod: str, spec: Wire, found: Class) -> None:
    given = spec.get("priority")
    if given is not None and given != found.value:
        raise _refusal(
            pod,
            f"the integer value of priority ({given}) must not be provided in pod spec; "
            f"priority admission controller computed {found.value} from the given PriorityClass name",
        )
    policy = spec.get("preemptionPolicy")
    if policy and policy != found.policy:
        raise _refusal(
            pod,
            f"the string value of PreemptionPolicy ({policy}) must not be provided in pod spec; "
            f"priority admission controller computed {found.policy} from the given PriorityClass name",
        )


def _refusal(pod: str, why: str) -> Forbidden:
    return Forbidden(f'pods "{pod}" is forbidden: {why}', kind=POD, name=pod)
