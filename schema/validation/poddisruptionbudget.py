"""PodDisruptionBudget: one of two ways to say how many, and a selector that can be read."""

from __future__ import annotations

from schema.policy.poddisruptionbudget import PodDisruptionBudget
from schema.validation.affinity import check_selector
from schema.validation.causes import Problems
from schema.validation.workload import check_amount


def check(budget: PodDisruptionBudget, problems: Problems) -> None:
    spec = budget.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        problems.invalid("spec", "", "minAvailable and maxUnavailable cannot be both set")
    for name, value in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        check_amount(value, f"spec.{name}", problems, at_most_all=True)
    if spec.selector is not None:
        check_selector(spec.selector, "spec.selector", problems)
