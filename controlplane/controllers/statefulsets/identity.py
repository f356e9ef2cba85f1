"""Names, labels and claims of the pods of a StatefulSet. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from controlplane.controllers import pods, revisions
from schema.apps.statefulset import POD_INDEX, POD_NAME
from schema.base import Wire

_NAME = re.compile(r"(.+)-(0|[1-9][0-9]*)")


def pod_name(owner: Wire, ordinal: int) -> str:
    return f"{owner['metadata']['name']}-{ordinal}"


def parse(name: str) -> tuple[str, int] | None:
    """The StatefulSet and the ordinal that a pod is named by."""
    found = _NAME.fullmatch(name)
    return (found[1], int(found[2])) if found else None


def ordinal_of(pod: Wire, owner: Wire) -> int | None:
    found = parse(pod["metadata"]["name"])
    return found[1] if found and found[0] == owner["metadata"]["name"] else None


def claim_names(owner: Wire, ordinal: int) -> dict[str, str]:
    """By the name of the template."""
    templates = owner["spec"].get("volumeClaimTemplates") or ()
    return {one["metadata"]["name"]: f"{one['metadata']['name']}-{pod_name(owner, ordinal)}" for one in templates}


def pod(owner: Wire, ordinal: int, revision: Wire) -> Wire:
    name = pod_name(owner, ordinal)
    labels = {revisions.POD_LABEL: revisions.name_of(revision), POD_NAME: name, POD_INDEX: str(ordinal)}
    template = revisions.template_of(revision)
    return pods.from_template(
        owner, template, name, labels=labels, change=partial(_change, owner=owner, ordinal=ordinal)
    )


def _change(spec: Wire, *, owner: Wire, ordinal: int) -> None:
    spec["hostname"] = pod_name(owner, ordinal)
    if owner["spec"].get("serviceName"):
        spec["subdomain"] = owner["spec"]["serviceName"]
    names = claim_names(owner, ordinal)
    kept = [one for one in spec.get("volumes") or () if one["name"] not in names]
    claimed = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in names.items()]
    if kept or claimed:
        spec["volumes"] = [*claimed, *kept]


def claims(owner: Wire, ordinal: int) -> Iterator[Wire]:
    names = claim_names(owner, ordinal)
    selected = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in owner["spec"].get("volumeClaimTemplates") or ():
        metadata = template["metadata"]
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": names[metadata["name"]],
                "namespace": owner["metadata"]["namespace"],
                "labels": {**(metadata.get("labels") or {}), **selected},
                **({"annotations": metadata["annotations"]} if metadata.get("annotations") else {}),
            },
            "spec": template.get("spec") or {},
        }


def retention(owner: Wire) -> tuple[bool, bool]:
    """Whether claims go when the StatefulSet is deleted, and when there are to be fewer pods."""
    policy = owner["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete"
