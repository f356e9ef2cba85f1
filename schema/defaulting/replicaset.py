"""ReplicaSet: one replica, and the template's labels as its own."""

from __future__ import annotations

from schema.base import Wire
from schema.defaulting.parts import child
from schema.defaulting.workload import default_template, template_labels


def default(wire: Wire) -> None:
    spec = child(wire, "spec")
    if spec is None:
        return
    spec.setdefault("replicas", 1)
    labels = template_labels(default_template(spec))
    metadata = wire.setdefault("metadata", {})
    if isinstance(metadata, dict) and labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)
