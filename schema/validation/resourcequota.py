"""ResourceQuota: resources that can be counted, scopes that fit each other."""

from __future__ import annotations

from collections.abc import Iterable

from schema import quantity
from schema.base import Wire
from schema.core.resourcequota import SCOPES, ResourceQuota, ScopedResourceSelectorRequirement
from schema.validation.causes import Problems
from schema.validation.names import qualified_fault, subdomain_fault

_OBJECTS = frozenset(
    [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    ]
)
_COMPUTE = frozenset(
    [
        "cpu",
        "memory",
        "ephemeral-storage",
        *(f"{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory", "ephemeral-storage")),
        "requests.storage",
    ]
)
_OF_BEST_EFFORT = frozenset(["pods", "count/pods"])
_OF_PODS = _OF_BEST_EFFORT | (_COMPUTE - {"requests.storage"})
_CONFLICTS = (("Terminating", "NotTerminating"), ("BestEffort", "NotBestEffort"))


def check(quota: ResourceQuota, problems: Problems) -> None:
    for name, amount in quota.spec.hard.items():
        path = f"spec.hard[{name}]"
        _check_resource(name, path, problems)
        if not quantity.valid(amount):
            continue
        if quantity.sign(amount) < 0:
            problems.invalid(path, amount, "must be greater than or equal to 0")
        elif name not in _COMPUTE and not quantity.is_whole(amount):
            problems.invalid(path, amount, "must be an integer")
    _check_scopes(quota.spec.scopes, "spec.scopes", quota.spec.hard, problems)
    if quota.spec.scope_selector is not None:
        conditions = quota.spec.scope_selector.match_expressions
        for position, condition in enumerate(conditions):
            _check_condition(condition, f"spec.scopeSelector.matchExpressions[{position}]", problems)
        named = [condition.scope_name for condition in conditions]
        _check_scopes(named, "spec.scopeSelector.matchExpressions", quota.spec.hard, problems)


def _check_resource(name: str, path: str, problems: Problems) -> None:
    """``count/<resource>[.<group>]``, the old names, compute resources, and devices as ``requests.<domain>/<name>``."""
    if name in _OBJECTS or name in _COMPUTE:
        return
    if name.startswith("count/"):
        if why := subdomain_fault(name.removeprefix("count/")):
            problems.invalid(path, name, why)
    elif fault := qualified_fault(name):
        problems.invalid(path, name, fault)
    elif "/" not in name and "hugepages-" not in name:
        problems.invalid(path, name, "must be a standard resource for quota")


def _check_scopes(scopes: list[str], path: str, hard: Iterable[str], problems: Problems) -> None:
    for position, scope in enumerate(scopes):
        if scope not in SCOPES:
            problems.not_supported(f"{path}[{position}]", scope, SCOPES)
            continue
        allowed = _OF_BEST_EFFORT if scope == "BestEffort" else _OF_PODS
        if wrong := sorted(name for name in hard if name not in allowed and not name.startswith("requests.")):
            problems.invalid(path, scopes, f"unsupported scope applied to resource {', '.join(wrong)}")
    for pair in _CONFLICTS:
        if set(pair) <= set(scopes):
            problems.invalid(path, scopes, "conflicting scopes")


def _check_condition(condition: ScopedResourceSelectorRequirement, path: str, problems: Problems) -> None:
    if condition.scope_name != "PriorityClass" and condition.operator not in ("", "Exists"):
        problems.invalid(
            f"{path}.operator", condition.operator, "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating,"
            " ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort"
            " or ResourceQuotaScopeCrossNamespacePodAffinity",
        )  # fmt: skip
    if condition.operator in ("In", "NotIn") and not condition.values:
        problems.required(f"{path}.values", "must be at least one value when `operator` is 'In' or 'NotIn'")
    if condition.operator in ("Exists", "DoesNotExist") and condition.values:
        problems.invalid(
            f"{path}.values", condition.values, "must be no value when `operator` is 'Exist' or 'DoesNotExist'"
        )


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    for name in ("scopes", "scopeSelector"):
        given, stored = ((wire.get("spec") or {}).get(name) for wire in (new, old))
        if (given or None) != (stored or None):
            problems.immutable(f"spec.{name}", given)
