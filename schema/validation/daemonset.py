"""DaemonSet: its selector and template, and how it is updated."""

from __future__ import annotations

from schema.apps.daemonset import DaemonSet
from schema.base import Wire
from schema.validation import workload
from schema.validation.causes import Problems

_PATH = "spec.updateStrategy.rollingUpdate"


def check(daemon_set: DaemonSet, problems: Problems) -> None:
    spec = daemon_set.spec
    workload.check_selected_template(spec.selector, spec.template, problems, kind="daemonset")
    _check_update(daemon_set, problems)


def _check_update(daemon_set: DaemonSet, problems: Problems) -> None:
    strategy = daemon_set.spec.update_strategy
    rolling = strategy.rolling_update
    if rolling is None:
        return
    if strategy.type == "OnDelete":
        problems.invalid(_PATH, rolling.wire(), "only allowed for updateStrategy 'RollingUpdate'")
    workload.check_amount(rolling.max_unavailable, f"{_PATH}.maxUnavailable", problems, at_most_all=True)
    workload.check_amount(rolling.max_surge, f"{_PATH}.maxSurge", problems, at_most_all=True)
    has_unavailable, has_surge = (one not in (None, 0, "0%") for one in (rolling.max_unavailable, rolling.max_surge))
    if not has_unavailable and not has_surge:
        problems.required(f"{_PATH}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif has_unavailable and has_surge:
        problems.invalid(f"{_PATH}.maxSurge", rolling.max_surge, "may not be set when maxUnavailable is non-zero")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    workload.check_selector_update(new, old, problems)
