"""Deployment: its selector chooses the pods it makes, and its numbers let an update go on."""

from __future__ import annotations

from schema import amounts
from schema.apps.deployment import Deployment, DeploymentSpec, DeploymentStrategy
from schema.base import Wire
from schema.validation import workload
from schema.validation.causes import Problems


def check(deployment: Deployment, problems: Problems) -> None:
    spec = deployment.spec
    workload.check_selected_template(spec.selector, spec.template, problems, kind="deployment")
    if spec.strategy is not None:
        _check_strategy(spec.strategy, problems)
    _check_deadline(spec, problems)


def _check_strategy(strategy: DeploymentStrategy, problems: Problems) -> None:
    path = "spec.strategy.rollingUpdate"
    if strategy.type == "Recreate":
        if strategy.rolling_update is not None:
            problems.forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    if strategy.rolling_update is None:
        problems.required(path, "this should be defaulted and never be nil")
        return
    rolling = strategy.rolling_update
    workload.check_amount(rolling.max_unavailable, f"{path}.maxUnavailable", problems, at_most_all=True)
    workload.check_amount(rolling.max_surge, f"{path}.maxSurge", problems)
    if _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
        problems.invalid(f"{path}.maxUnavailable", rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")


def _is_zero(amount: int | str | None) -> bool:
    return amount == 0 or (isinstance(amount, str) and amounts.percentage(amount) == 0)


def _check_deadline(spec: DeploymentSpec, problems: Problems) -> None:
    deadline = spec.progress_deadline_seconds
    if deadline is None:
        return
    if deadline < 0:
        problems.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than or equal to 0")
    elif deadline <= spec.min_ready_seconds:
        problems.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    workload.check_selector_update(new, old, problems)
