"""Job: what fits together, and what may change."""

from __future__ import annotations

from typing import Any

from schema import indexes
from schema.base import Wire
from schema.batch.job import LABEL_UID, Job, JobSpec, PodFailurePolicyRule, SuccessPolicyRule
from schema.core.podtemplate import PodTemplateSpec
from schema.validation import pod
from schema.validation.affinity import check_selector
from schema.validation.causes import Problems
from schema.validation.names import check_annotations, check_labels, label_fault, qualified_fault

MOST_INDEXES = 100_000
MOST_RULES = 20
MOST_CODES = 255
_FIXED = (
    "completionMode",
    "podFailurePolicy",
    "backoffLimitPerIndex",
    "managedBy",
    "successPolicy",
    "selector",
    "manualSelector",
)
_SCHEDULING = ("affinity", "nodeSelector", "tolerations", "schedulingGates")
"""Of the template: may change while the job is suspended and has not started."""


def check(job: Job, problems: Problems) -> None:
    spec = job.spec
    _check_selector(job, problems)
    if why := label_fault(job.metadata.name) if job.metadata.name and "." not in job.metadata.name else "":
        problems.invalid("metadata.name", job.metadata.name, why)
    check_spec(spec, "spec", problems)


def _check_selector(job: Job, problems: Problems) -> None:
    spec = job.spec
    if spec.manual_selector:
        if spec.selector is None:
            problems.required("spec.selector")
            return
        check_selector(spec.selector, "spec.selector", problems)
        labels = spec.template.metadata.labels
        if any(labels.get(key) != value for key, value in spec.selector.match_labels.items()):
            problems.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    elif spec.selector is not None and spec.selector.match_labels.get(LABEL_UID, "") != (
        job.metadata.uid or "none yet"
    ):
        problems.invalid("spec.selector", spec.selector.wire(), "`selector` not auto-generated")


def check_spec(spec: JobSpec, path: str, problems: Problems) -> None:
    """Also for the jobs of other kinds."""
    indexed = spec.completion_mode == "Indexed"
    if indexed:
        _check_indexed(spec, path, problems)
    else:
        for name, value in (
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("successPolicy", spec.success_policy),
        ):
            if value is not None:
                shown: Any = value if isinstance(value, int) else value.wire()
                problems.invalid(f"{path}.{name}", shown, "requires indexed completion mode")
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        problems.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if spec.managed_by is not None and (why := qualified_fault(spec.managed_by)):
        problems.invalid(f"{path}.managedBy", spec.managed_by, why)
    check_template(spec.template, f"{path}.template", problems)
    _check_failure_policy(spec, f"{path}.podFailurePolicy", problems)


def _check_indexed(spec: JobSpec, path: str, problems: Problems) -> None:
    if spec.completions is None:
        problems.required(f"{path}.completions", "when completion mode is Indexed")
    elif spec.completions > MOST_INDEXES:
        problems.invalid(f"{path}.completions", spec.completions, f"must be less than or equal to {MOST_INDEXES}")
    if spec.parallelism is not None and spec.parallelism > MOST_INDEXES:
        problems.invalid(f"{path}.parallelism", spec.parallelism, f"must be less than or equal to {MOST_INDEXES}")
    most = spec.max_failed_indexes
    if most is not None and spec.completions is not None and most > spec.completions:
        problems.invalid(f"{path}.maxFailedIndexes", most, "must be less than or equal to completions")
    if spec.success_policy is not None:
        rules = spec.success_policy.rules
        if not rules:
            problems.required(f"{path}.successPolicy.rules", "at least one rules must be specified")
        for position, rule in enumerate(rules):
            _check_success(rule, spec.completions or 0, f"{path}.successPolicy.rules[{position}]", problems)


def _check_success(rule: SuccessPolicyRule, completions: int, path: str, problems: Problems) -> None:
    if rule.succeeded_count is None and rule.succeeded_indexes is None:
        problems.required(path, "at least one of succeededCount or succeededIndexes must be specified")
        return
    reachable = completions
    if rule.succeeded_indexes is not None:
        try:
            intervals = indexes.parse(rule.succeeded_indexes)
        except indexes.IndexesError as fault:
            problems.invalid(f"{path}.succeededIndexes", rule.succeeded_indexes, str(fault))
            return
        if any(last >= completions for _, last in intervals):
            problems.invalid(f"{path}.succeededIndexes", rule.succeeded_indexes, "index must be less than completions")
        reachable = sum(last - first + 1 for first, last in intervals)
    if rule.succeeded_count is not None and rule.succeeded_count > reachable:
        problems.invalid(f"{path}.succeededCount", rule.succeeded_count, f"must be less than or equal to {reachable}")


def check_template(template: PodTemplateSpec, path: str, problems: Problems) -> None:
    check_labels(template.metadata.labels, f"{path}.metadata.labels", problems)
    check_annotations(template.metadata.annotations, f"{path}.metadata.annotations", problems)
    pod.check_spec(template.spec, f"{path}.spec", problems)
    policy = template.spec.restart_policy
    if policy == "":
        problems.required(f"{path}.spec.restartPolicy", "valid values: OnFailure, Never")
    elif policy == "Always":
        problems.not_supported(f"{path}.spec.restartPolicy", policy, ["OnFailure", "Never"])


def _check_failure_policy(spec: JobSpec, path: str, problems: Problems) -> None:
    policy = spec.pod_failure_policy
    if policy is None:
        return
    if spec.template.spec.restart_policy != "Never":
        where = path.rpartition(".")[0]
        problems.invalid(
            f"{where}.template.spec.restartPolicy",
            spec.template.spec.restart_policy,
            'only "Never" is supported when podFailurePolicy is specified',
        )
    if spec.pod_replacement_policy == "TerminatingOrFailed":
        where = path.rpartition(".")[0]
        problems.not_supported(f"{where}.podReplacementPolicy", spec.pod_replacement_policy, ["Failed"])
    if len(policy.rules) > MOST_RULES:
        problems.invalid(f"{path}.rules", len(policy.rules), f"must have at most {MOST_RULES} items")
    containers = {each.name for each in (*spec.template.spec.containers, *spec.template.spec.init_containers)}
    for position, rule in enumerate(policy.rules):
        _check_rule(rule, spec, containers, f"{path}.rules[{position}]", problems)


def _check_rule(rule: PodFailurePolicyRule, spec: JobSpec, containers: set[str], path: str, problems: Problems) -> None:
    if rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
        problems.invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set")
    codes = rule.on_exit_codes
    if (codes is None) is (not rule.on_pod_conditions):
        problems.invalid(path, "", "specifying one of onExitCodes and onPodConditions is required, and only one")
    if codes is None:
        return
    if codes.container_name is not None and codes.container_name not in containers:
        problems.invalid(
            f"{path}.onExitCodes.containerName",
            codes.container_name,
            "must be one of the container or initContainer names in the pod template",
        )
    values = codes.values
    here = f"{path}.onExitCodes.values"
    if not values:
        problems.invalid(here, values, "at least one value is required")
    elif len(values) > MOST_CODES:
        problems.invalid(here, len(values), f"must have at most {MOST_CODES} items")
    elif len(set(values)) != len(values):
        problems.duplicate(here, values)
    elif values != sorted(values):
        problems.invalid(here, values, "must be ordered")
    if codes.operator == "In" and 0 in values:
        problems.invalid(here, 0, "must not be 0 for the In operator")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old["spec"]
    for name in _FIXED:
        if (given.get(name) or None) != (stored.get(name) or None):
            problems.immutable(f"spec.{name}", given.get(name))
    _check_completions(given, stored, problems)
    loose = bool(stored.get("suspend")) and not (old.get("status") or {}).get("startTime")
    if _template(given, loose=loose) != _template(stored, loose=loose):
        problems.immutable("spec.template", given.get("template"))


def _check_completions(given: Wire, stored: Wire, problems: Problems) -> None:
    """An Indexed job grows and shrinks with its parallelism; all others stay."""
    now, before = given.get("completions"), stored.get("completions")
    if now == before:
        return
    elastic = given.get("completionMode") == "Indexed" and now is not None and now == given.get("parallelism")
    if not elastic:
        problems.immutable("spec.completions", now)


def _template(spec: Wire, *, loose: bool) -> Wire:
    template: Wire = spec.get("template") or {}
    if not loose:
        return template
    inner = {name: value for name, value in (template.get("spec") or {}).items() if name not in _SCHEDULING}
    metadata = {
        name: value for name, value in (template.get("metadata") or {}).items() if name not in ("labels", "annotations")
    }
    return {**template, "metadata": metadata, "spec": inner}
