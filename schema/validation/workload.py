"""What the kinds that make pods have in common: a selector that matches the template, and numbers that may be percentages."""

from __future__ import annotations

import re

from schema.base import Wire
from schema.core.pod import PodSpec
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import LabelSelector
from schema.selectors import LabelSelector as Selector
from schema.selectors import SelectorError
from schema.validation import pod
from schema.validation.causes import Problems
from schema.validation.names import check_annotations, check_labels, label_value_fault, qualified_fault

_PERCENT = re.compile(r"[0-9]+%", re.ASCII)
_NEED_VALUES = ("In", "NotIn")


def check_selector(selector: LabelSelector | None, template: PodTemplateSpec, problems: Problems) -> None:
    path = "spec.selector"
    if selector is None:
        problems.required(path)
        return
    if not selector.match_labels and not selector.match_expressions:
        problems.invalid(path, {}, "empty selector is invalid: it would match every pod")
        return
    before = len(problems.causes)
    check_labels(selector.match_labels, f"{path}.matchLabels", problems)
    for position, each in enumerate(selector.match_expressions):
        here = f"{path}.matchExpressions[{position}]"
        if fault := qualified_fault(each.key):
            problems.invalid(f"{here}.key", each.key, fault)
        if each.operator in _NEED_VALUES and not each.values:
            problems.required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif each.operator not in _NEED_VALUES and each.values:
            problems.forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        for value in each.values:
            if fault := label_value_fault(value):
                problems.invalid(f"{here}.values", value, fault)
    if len(problems.causes) == before:
        _check_match(selector, template, problems)


def _check_match(selector: LabelSelector, template: PodTemplateSpec, problems: Problems) -> None:
    labels = template.metadata.labels
    try:
        matches = Selector.from_object(selector.wire()).matches(labels)
    except SelectorError:
        return  # an operator that is none: reported with the object's other words
    if not matches:
        problems.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")


def check_template(template: PodTemplateSpec, spec: PodSpec, problems: Problems) -> None:
    """``spec`` is the template's, with what its kind adds to it. Its pods are started again for ever."""
    path = "spec.template"
    check_labels(template.metadata.labels, f"{path}.metadata.labels", problems)
    check_annotations(template.metadata.annotations, f"{path}.metadata.annotations", problems)
    pod.check_spec(spec, f"{path}.spec", problems)
    if spec.restart_policy and spec.restart_policy != "Always":
        problems.not_supported(f"{path}.spec.restartPolicy", spec.restart_policy, ["Always"])
    if spec.active_deadline_seconds is not None:
        problems.forbidden(
            f"{path}.spec.activeDeadlineSeconds", "activeDeadlineSeconds in the pod template is not supported"
        )
    if spec.ephemeral_containers:
        problems.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def check_number(value: int | str | None, path: str, problems: Problems, *, at_most_all: bool = True) -> None:
    """A count, or a percentage as in 25%."""
    if value is None:
        return
    if isinstance(value, int):
        if value < 0:
            problems.invalid(path, value, "must be greater than or equal to 0")
    elif not _PERCENT.fullmatch(value):
        problems.invalid(path, value, 'must be an integer or a percentage (e.g "5%")')
    elif at_most_all and int(value[:-1]) > 100:
        problems.invalid(path, value, "must not be greater than 100%")


def is_zero(value: int | str | None) -> bool:
    return value in (None, 0, "0%")


def check_fixed(new: Wire, old: Wire, changeable: tuple[str, ...], what: str, problems: Problems) -> None:
    """Refuse changes of the spec's other fields, and name them."""
    given, stored = new["spec"], old["spec"]
    names = sorted(name for name in {*given, *stored} if given.get(name) != stored.get(name))
    wrong = [name for name in names if name not in changeable]
    if wrong:
        listed = ", ".join(f"'{name}'" for name in changeable)
        why = f"updates to {what} spec for fields other than {listed} are forbidden: {', '.join(wrong)} may not change"
        problems.forbidden("spec" if len(wrong) > 1 else f"spec.{wrong[0]}", why)
