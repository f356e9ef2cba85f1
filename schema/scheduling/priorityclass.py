"""PriorityClass: a name for how important pods are."""

from __future__ import annotations

from typing import Annotated

from schema.base import OneOf
from schema.meta import Int32, Object


class PriorityClass(Object):
    """A name for how important pods are. Pods name it in spec.priorityClassName."""

    api_version: str = "scheduling.k8s.io/v1"
    kind: str = "PriorityClass"
    value: Int32 = 0
    """The priority of pods of this class: higher is placed first, and may push out lower ones. Cannot be changed."""
    global_default: bool = False
    """The class of pods that name none. Of several, the one with the smallest value counts."""
    description: str = ""
    """When to use the class, for people."""
    preemption_policy: Annotated[str | None, OneOf("Never", "PreemptLowerPriority")] = None
    """Never: pods of this class wait for room; PreemptLowerPriority (default): they push out lower ones. Cannot be changed."""
