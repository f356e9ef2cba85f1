"""LimitRange: bounds that can be kept, with defaults between them."""

from __future__ import annotations

from schema import quantity
from schema.core.limitrange import LimitRange, LimitRangeItem
from schema.core.resources import ResourceList
from schema.validation.causes import Problems
from schema.validation.names import qualified_fault

_ORDER = ("min", "defaultRequest", "default", "max")
"""Each may be no more than any after it."""


def check(limits: LimitRange, problems: Problems) -> None:
    types: set[str] = set()
    for position, item in enumerate(limits.spec.limits):
        path = f"spec.limits[{position}]"
        if item.type in types:
            problems.duplicate(f"{path}.type", item.type)
        types.add(item.type)
        _check_item(item, path, problems)


def _check_item(item: LimitRangeItem, path: str, problems: Problems) -> None:
    bounds = {
        "min": item.min,
        "max": item.max,
        "default": item.default,
        "defaultRequest": item.default_request,
        "maxLimitRequestRatio": item.max_limit_request_ratio,
    }
    for field, amounts in bounds.items():
        for name, amount in amounts.items():
            if fault := qualified_fault(name):
                problems.invalid(f"{path}.{field}", name, fault)
            elif quantity.valid(amount) and quantity.sign(amount) < 0:
                problems.invalid(f"{path}.{field}[{name}]", amount, "must be greater than or equal to 0")
    if item.type != "Container":
        for field in ("default", "defaultRequest"):
            if bounds[field]:
                problems.forbidden(f"{path}.{field}", f"may not be specified when `type` is '{item.type}'")
    if item.type == "PersistentVolumeClaim" and not (item.min.get("storage") or item.max.get("storage")):
        problems.required(
            f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
        )
    for before, lower in enumerate(_ORDER):
        for upper in _ORDER[before + 1 :]:
            _check_order(bounds[lower], bounds[upper], (lower, upper), path, problems)
    for name, ratio in item.max_limit_request_ratio.items():
        if quantity.valid(ratio) and quantity.compare(ratio, 1) < 0:
            problems.invalid(f"{path}.maxLimitRequestRatio[{name}]", ratio, f"ratio {ratio} is less than 1")


def _check_order(
    lower: ResourceList, upper: ResourceList, names: tuple[str, str], path: str, problems: Problems
) -> None:
    for name, amount in lower.items():
        bound = upper.get(name)
        if bound is None or not (quantity.valid(amount) and quantity.valid(bound)):
            continue
        if quantity.compare(amount, bound) > 0:
            why = f"{names[0]} value {amount} is greater than {names[1]} value {bound}"
            problems.invalid(f"{path}.{names[0]}[{name}]", amount, why)
