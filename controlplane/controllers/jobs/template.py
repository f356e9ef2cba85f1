"""The pods of a job, from its template. Pure."""

from __future__ import annotations

from typing import Any

from controlplane.controllers.jobs.plan import New
from controlplane.controllers.jobs.pods import FAILURES, FINALIZER, IGNORED
from schema.base import Wire
from schema.batch.job import INDEX
from schema.defaulting import pod as defaulting

_LONGEST_HOSTNAME = 63
_VARIABLE = {
    "name": "JOB_COMPLETION_INDEX",
    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.annotations['{INDEX}']"}},
}


def pod(job: Wire, new: New) -> Wire:
    template = job["spec"]["template"]
    given, owner = template.get("metadata") or {}, job["metadata"]
    annotations = dict(given.get("annotations") or {})
    labels = dict(given.get("labels") or {})
    spec: dict[str, Any] = dict(template["spec"])
    base = owner["name"]
    if new.index is not None:
        base = f"{base}-{new.index}"
        annotations[INDEX] = labels[INDEX] = str(new.index)
        if job["spec"].get("backoffLimitPerIndex") is not None:
            annotations[FAILURES] = str(new.failures)
            if job["spec"].get("podFailurePolicy"):
                annotations[IGNORED] = str(new.ignored)
        spec |= {
            name: [_told(each) for each in spec[name]] for name in ("containers", "initContainers") if spec.get(name)
        }
        spec["hostname"] = base[:_LONGEST_HOSTNAME].rstrip("-.")
    made: Wire = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{base}-",
            "namespace": owner["namespace"],
            "labels": labels,
            "annotations": annotations,
            "finalizers": [FINALIZER],
            "ownerReferences": [reference(job)],
        },
        "spec": spec,
    }
    defaulting.default(made)
    return made


def _told(container: Wire) -> Wire:
    """With its index in the environment, unless the container says otherwise."""
    environment = container.get("env") or []
    if any(each.get("name") == _VARIABLE["name"] for each in environment):
        return container
    return {**container, "env": [*environment, _VARIABLE]}


def reference(owner: Wire) -> Wire:
    """Of the controller of an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
