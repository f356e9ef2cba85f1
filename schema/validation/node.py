"""Node: taints, address ranges, and what stays for its life."""

from __future__ import annotations

import ipaddress

from schema.base import Wire
from schema.core.node import Node, Taint
from schema.validation.causes import Problems
from schema.validation.names import label_value_fault, qualified_fault


def check(node: Node, problems: Problems) -> None:
    _check_taints(node.spec.taints, problems)
    ranges = node.spec.pod_cidrs
    for position, cidr in enumerate(ranges):
        _check_range(cidr, f"spec.podCIDRs[{position}]", problems)
    if node.spec.pod_cidr:
        _check_range(node.spec.pod_cidr, "spec.podCIDR", problems)
        if ranges and ranges[0] != node.spec.pod_cidr:
            problems.invalid("spec.podCIDRs", ranges, "must begin with the value of podCIDR")


def _check_range(cidr: str, path: str, problems: Problems) -> None:
    try:
        ipaddress.ip_network(cidr)
    except ValueError:
        problems.invalid(path, cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")


def _check_taints(taints: list[Taint], problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for position, taint in enumerate(taints):
        path = f"spec.taints[{position}]"
        if not taint.key:
            problems.required(f"{path}.key")
        elif fault := qualified_fault(taint.key):
            problems.invalid(f"{path}.key", taint.key, fault)
        if fault := label_value_fault(taint.value):
            problems.invalid(f"{path}.value", taint.value, fault)
        if (taint.key, taint.effect) in seen:
            problems.duplicate(path, {"key": taint.key, "effect": taint.effect})
        seen.add((taint.key, taint.effect))


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old.get("spec") or {}
    for name in ("podCIDR", "podCIDRs", "providerID"):
        if stored.get(name) and given.get(name) != stored[name]:
            problems.forbidden(
                f"spec.{name}", "node updates may only change labels, taints, or capacity once it is set"
            )
