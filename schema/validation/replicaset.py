"""ReplicaSet: its selector chooses the pods it makes."""

from __future__ import annotations

from schema.apps.replicaset import ReplicaSet
from schema.base import Wire
from schema.validation import workload
from schema.validation.causes import Problems


def check(replica_set: ReplicaSet, problems: Problems) -> None:
    spec = replica_set.spec
    if spec.template is None:
        problems.required("spec.template")
        workload.check_selector(spec.selector, "spec.selector", problems, kind="replicaset")
    else:
        workload.check_selected_template(spec.selector, spec.template, problems, kind="replicaset")


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    workload.check_selector_update(new, old, problems)
