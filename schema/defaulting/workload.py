"""What the workloads have in common: replicas and the pod template."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child
from schema.defaulting.pod import default_spec


def default_template(holder: Wire, name: str = "template") -> Wire | None:
    """The template in a field of a spec, its pod's defaults filled in; None where there is none."""
    template = child(holder, name)
    spec = child(template, "spec") if template is not None else None
    if spec is not None:
        default_spec(spec)
    return template


def template_labels(template: Wire | None) -> Wire:
    """The labels of a template; empty where there are none, or they are no object."""
    return child(child(template or {}, "metadata") or {}, "labels") or {}
