"""How network policies are listed."""

from __future__ import annotations

from controlplane.api.columns import AGE, NAME, Column, pick
from schema.base import Wire
from schema.selectors import LabelSelector


def _selector(wire: Wire) -> str:
    selector = LabelSelector.from_object(pick(wire, "spec.podSelector") or {})
    return ",".join(str(each) for each in selector.requirements) or "<none>"


COLUMNS = (NAME, Column("Pod-Selector", _selector, description="The pods that the policy is about."), AGE)
