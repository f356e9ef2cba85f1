"""ReplicationController: its selector chooses the pods it makes."""

from __future__ import annotations

from schema.core.replicationcontroller import ReplicationController
from schema.selectors import LabelSelector
from schema.validation import workload
from schema.validation.causes import Problems
from schema.validation.names import check_labels


def check(controller: ReplicationController, problems: Problems) -> None:
    spec = controller.spec
    check_labels(spec.selector, "spec.selector", problems)
    if not spec.selector:
        problems.required("spec.selector")
    if spec.template is None:
        problems.required("spec.template")
        return
    workload.check_template(spec.template, "spec.template", problems)
    if spec.selector:
        workload.check_match(LabelSelector.from_labels(spec.selector), spec.template, "spec.template", problems)
