"""Pods of a workload: what state they are in, and how they are made from a template. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta

from controlplane.controllers.plan import find
from schema import meta
from schema.base import Wire
from schema.kinds import Kind

FINISHED = ("Succeeded", "Failed")


def is_terminating(pod: Wire) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def phase(pod: Wire) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


def is_finished(pod: Wire) -> bool:
    return phase(pod) in FINISHED


def is_ready(pod: Wire) -> bool:
    return not is_terminating(pod) and not is_finished(pod) and find(pod, "Ready").get("status") == "True"


def available_in(pod: Wire, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the pod counts as available if it stays ready; 0: it does; None: it is not ready."""
    if not is_ready(pod):
        return None
    since = find(pod, "Ready").get("lastTransitionTime")
    if not min_ready_seconds or not since:
        return 0.0
    left = meta.parse_time(since) + timedelta(seconds=min_ready_seconds) - now
    return max(left.total_seconds(), 0.0)


def is_available(pod: Wire, min_ready_seconds: int, now: datetime) -> bool:
    return available_in(pod, min_ready_seconds, now) == 0.0


def from_template(template: Wire, kind: Kind, owner: Wire, name: str, labels: Mapping[str, str]) -> Wire:
    """A pod of its owner; ``labels`` are added to those of the template."""
    metadata = template.get("metadata") or {}
    annotations = metadata.get("annotations")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**(metadata.get("labels") or {}), **labels},
            **({"annotations": dict(annotations)} if annotations else {}),
            **({"finalizers": list(metadata["finalizers"])} if metadata.get("finalizers") else {}),
            "ownerReferences": [controller_reference(kind, owner)],
        },
        "spec": copy.deepcopy(template.get("spec") or {}),
    }


def controller_reference(kind: Kind, owner: Wire) -> Wire:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Wire) -> Wire | None:
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


def is_controlled_by(obj: Wire, owner: Wire) -> bool:
    found = controller_of(obj)
    return found is not None and found.get("uid") == owner["metadata"]["uid"]
