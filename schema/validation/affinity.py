"""Node selectors, affinity and tolerations of a pod."""

from __future__ import annotations

import re

from schema.core.affinity import (
    Affinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinityTerm,
    Toleration,
    TopologySpreadConstraint,
)
from schema.meta import LabelSelector
from schema.validation.causes import Problems
from schema.validation.names import check_labels, label_fault, label_value_fault, qualified_fault, subdomain_fault

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def check(affinity: Affinity, path: str, problems: Problems) -> None:
    node = affinity.node_affinity
    if node is not None:
        required = node.required_during_scheduling_ignored_during_execution
        if required is not None:
            check_node_selector(required, f"{path}.nodeAffinity.{_REQUIRED}", problems)
        for position, preferred in enumerate(node.preferred_during_scheduling_ignored_during_execution):
            here = f"{path}.nodeAffinity.{_PREFERRED}[{position}].preference"
            _check_node_term(preferred.preference, here, problems)
    for name, pods in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if pods is None:
            continue
        for position, each in enumerate(pods.required_during_scheduling_ignored_during_execution):
            _check_pod_term(each, f"{path}.{name}.{_REQUIRED}[{position}]", problems)
        for position, weighted in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
            here = f"{path}.{name}.{_PREFERRED}[{position}].podAffinityTerm"
            _check_pod_term(weighted.pod_affinity_term, here, problems)


def check_node_selector(selector: NodeSelector, path: str, problems: Problems) -> None:
    here = f"{path}.nodeSelectorTerms"
    if not selector.node_selector_terms:
        problems.required(here, "must have at least one node selector term")
    for position, term in enumerate(selector.node_selector_terms):
        _check_node_term(term, f"{here}[{position}]", problems)


def _check_node_term(term: NodeSelectorTerm, path: str, problems: Problems) -> None:
    for position, requirement in enumerate(term.match_expressions):
        here = f"{path}.matchExpressions[{position}]"
        _check_values(requirement, here, problems)
        if fault := qualified_fault(requirement.key):
            problems.invalid(f"{here}.key", requirement.key, fault)
    for position, requirement in enumerate(term.match_fields):
        _check_field_requirement(requirement, f"{path}.matchFields[{position}]", problems)


def _check_values(requirement: NodeSelectorRequirement, path: str, problems: Problems) -> None:
    values = requirement.values
    match requirement.operator:
        case "In" | "NotIn":
            if not values:
                problems.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                problems.forbidden(
                    f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                )
        case "Gt" | "Lt":
            if len(values) != 1:
                problems.required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
            elif not re.fullmatch(r"-?[0-9]{1,18}", values[0]):
                problems.invalid(
                    f"{path}.values[0]", values[0], "for 'Gt', 'Lt' operators, the value must be an integer"
                )


def _check_field_requirement(requirement: NodeSelectorRequirement, path: str, problems: Problems) -> None:
    if requirement.key != "metadata.name":
        problems.invalid(f"{path}.key", requirement.key, "not a valid field selector key")
    if requirement.operator not in ("In", "NotIn"):
        problems.invalid(f"{path}.operator", requirement.operator, "not a valid selector operator")
    elif len(requirement.values) != 1:
        problems.required(
            f"{path}.values", "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        )


def _check_pod_term(term: PodAffinityTerm, path: str, problems: Problems) -> None:
    if not term.topology_key:
        problems.required(f"{path}.topologyKey", "can not be empty")
    elif fault := qualified_fault(term.topology_key):
        problems.invalid(f"{path}.topologyKey", term.topology_key, fault)
    for position, namespace in enumerate(term.namespaces):
        if fault := label_fault(namespace):
            problems.invalid(f"{path}.namespaces[{position}]", namespace, fault)
    for name, selector in (
        ("labelSelector", term.label_selector),
        ("namespaceSelector", term.namespace_selector),
    ):
        if selector is not None:
            check_selector(selector, f"{path}.{name}", problems)


def check_selector(selector: LabelSelector, path: str, problems: Problems) -> None:
    """A label selector in its object form."""
    check_labels(selector.match_labels, f"{path}.matchLabels", problems)
    for position, expression in enumerate(selector.match_expressions):
        here = f"{path}.matchExpressions[{position}]"
        if fault := qualified_fault(expression.key):
            problems.invalid(f"{here}.key", expression.key, fault)
        if expression.operator in ("In", "NotIn") and not expression.values:
            problems.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        if expression.operator in ("Exists", "DoesNotExist") and expression.values:
            problems.forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")


def check_tolerations(tolerations: list[Toleration], path: str, problems: Problems) -> None:
    for position, toleration in enumerate(tolerations):
        here = f"{path}[{position}]"
        if toleration.key:
            if fault := qualified_fault(toleration.key):
                problems.invalid(f"{here}.key", toleration.key, fault)
        elif toleration.operator != "Exists":
            problems.invalid(
                f"{here}.operator",
                toleration.operator,
                'operator must be Exists when `key` is empty, which means "match all values and all keys"',
            )
        if toleration.operator == "Exists" and toleration.value:
            problems.invalid(f"{here}.operator", toleration.value, "value must be empty when `operator` is 'Exists'")
        elif fault := label_value_fault(toleration.value):
            problems.invalid(f"{here}.value", toleration.value, fault)
        if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
            problems.invalid(
                f"{here}.effect", toleration.effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"
            )


def check_spread(constraints: list[TopologySpreadConstraint], path: str, problems: Problems) -> None:
    seen: set[tuple[str, str]] = set()
    for position, constraint in enumerate(constraints):
        here = f"{path}[{position}]"
        pair = (constraint.topology_key, constraint.when_unsatisfiable)
        if not constraint.topology_key:
            problems.required(f"{here}.topologyKey", "can not be empty")
        if pair in seen:
            problems.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", ", ".join(pair))
        seen.add(pair)
        if constraint.label_selector is not None:
            check_selector(constraint.label_selector, f"{here}.labelSelector", problems)


def check_node_name(name: str, path: str, problems: Problems) -> None:
    if name and (fault := subdomain_fault(name)):
        problems.invalid(path, name, fault)
