"""What the workloads have in common: their selector, their pod template, amounts of pods."""

from __future__ import annotations

from collections.abc import Sequence

from schema import amounts
from schema.base import Wire
from schema.core.podtemplate import PodTemplateSpec
from schema.meta import LabelSelector
from schema.selectors import LabelSelector as Query
from schema.selectors import SelectorError
from schema.validation import affinity, pod
from schema.validation.causes import Problems
from schema.validation.names import check_annotations, check_labels


def check_template(
    template: PodTemplateSpec,
    path: str,
    problems: Problems,
    *,
    restart_policies: Sequence[str] = ("Always",),
) -> None:
    """``restart_policies`` are those that the kind can do with."""
    check_labels(template.metadata.labels, f"{path}.metadata.labels", problems)
    check_annotations(template.metadata.annotations, f"{path}.metadata.annotations", problems)
    pod.check_spec(template.spec, f"{path}.spec", problems)
    policy = template.spec.restart_policy or "Always"
    if policy not in restart_policies:
        problems.not_supported(f"{path}.spec.restartPolicy", policy, restart_policies)
    if template.spec.active_deadline_seconds is not None and tuple(restart_policies) == ("Always",):
        problems.forbidden(f"{path}.spec.activeDeadlineSeconds", "activeDeadlineSeconds is not supported here")
    if template.spec.ephemeral_containers:
        problems.forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def check_selector(selector: LabelSelector, path: str, problems: Problems, *, kind: str) -> None:
    """A workload's selector: well-formed, and not one that chooses every pod. ``kind`` as in ``deployment``."""
    affinity.check_selector(selector, path, problems)
    if not selector.match_labels and not selector.match_expressions:
        problems.invalid(path, {}, f"empty selector is invalid for {kind}")


def check_match(selector: Query, template: PodTemplateSpec, path: str, problems: Problems) -> None:
    """The selector chooses the pods that the template at ``path`` makes."""
    if not selector.matches(template.metadata.labels):
        problems.invalid(
            f"{path}.metadata.labels",
            template.metadata.labels,
            "`selector` does not match template `labels`",
        )


def check_selected_template(
    selector: LabelSelector, template: PodTemplateSpec, problems: Problems, *, kind: str, path: str = "spec"
) -> None:
    """Selector and template of a spec, each and together."""
    check_selector(selector, f"{path}.selector", problems, kind=kind)
    check_template(template, f"{path}.template", problems)
    if not selector.match_labels and not selector.match_expressions:
        return
    try:
        query = Query.from_object(selector.wire())
    except SelectorError:  # an operator that does not exist: said already
        return
    check_match(query, template, f"{path}.template", problems)


def check_selector_update(new: Wire, old: Wire, problems: Problems) -> None:
    """Pods would be lost or caught by a selector that changes."""
    given, stored = ((wire.get("spec") or {}).get("selector") for wire in (new, old))
    if given != stored:
        problems.immutable("spec.selector", given)


def check_amount(value: int | str | None, path: str, problems: Problems, *, at_most_all: bool = False) -> None:
    """A number of pods or a percentage; ``at_most_all``: not more than 100%."""
    if value is None:
        return
    if isinstance(value, int):
        if value < 0:
            problems.invalid(path, value, "must be greater than or equal to 0")
        return
    percent = amounts.percentage(value)
    if percent is None:
        problems.invalid(
            path, value, "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', '93%')"
        )
    elif at_most_all and percent > 100:
        problems.invalid(path, value, "must not be greater than 100%")
