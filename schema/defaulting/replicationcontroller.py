"""ReplicationController: one replica, and the template's labels as selector and as its own."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting import replicaset
from schema.defaulting.parts import child
from schema.defaulting.workload import template_labels


def default(wire: Wire) -> None:
    replicaset.default(wire)
    spec = child(wire, "spec")
    if spec is not None and not spec.get("selector"):
        spec["selector"] = dict(template_labels(child(spec, "template")))
