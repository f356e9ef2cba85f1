"""Claims that are made for one pod alone (``volumes[].ephemeral``) and go with it.

Reads a pod and its claims. Writes: claims ``<pod>-<volume>``, owned by the pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from controlplane.controllers.base import Controller, Key
from controlplane.controllers.events import Record
from controlplane.controllers.persistentvolumeclaim import FINISHED
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Create
from schema import claims, kinds
from schema.base import Wire

COMPONENT = "ephemeral-volume-controller"


class EphemeralVolumeController(Controller[Mapping[str, Wire]]):
    name = "ephemeral"
    kind = kinds.POD
    component = COMPONENT
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        if change.kind is kinds.POD and change.type is ChangeType.ADDED and _templates(change.object):
            yield change.namespace, change.name

    def all_keys(self) -> Iterable[Key]:
        for pod in objects.pods_mentioning("ephemeral"):
            yield pod["metadata"]["namespace"], pod["metadata"]["name"]

    def gather(self, obj: Wire) -> Mapping[str, Wire]:
        """The claims that are there, by volume."""
        found: dict[str, Wire] = {}
        for volume in _templates(obj):
            name = claims.of_ephemeral(obj["metadata"]["name"], volume)
            try:
                found[volume] = objects.get(kinds.PERSISTENT_VOLUME_CLAIM, obj["metadata"]["namespace"], name)
            except NotFound:
                continue
        return found

    def plan(self, obj: Wire, children: Mapping[str, Wire], now: datetime) -> Plan:
        if (obj.get("status") or {}).get("phase") in FINISHED:
            return Plan()
        steps = []
        for volume, template in _templates(obj).items():
            present = children.get(volume)
            if present is None:
                steps.append(Step("make claim", [Create(kinds.PERSISTENT_VOLUME_CLAIM, _claim(obj, volume, template))]))
            elif not _is_owned(present, obj):
                message = (
                    f"PVC {present['metadata']['name']} was not created for the pod: volume {volume} gets no claim"
                )
                steps.append(Step("tell", events=[Record(obj, "Warning", "FailedBinding", message, COMPONENT)]))
        return Plan(steps)


def _templates(pod: Wire) -> dict[str, Wire]:
    """By volume."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    found = {one["name"]: (one.get("ephemeral") or {}).get("volumeClaimTemplate") for one in volumes}
    return {name: template for name, template in found.items() if template}


def _claim(pod: Wire, volume: str, template: Wire) -> Wire:
    metadata, own = pod["metadata"], template.get("metadata") or {}
    owner = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "namespace": metadata["namespace"],
            "name": claims.of_ephemeral(metadata["name"], volume),
            **{key: own[key] for key in ("labels", "annotations") if own.get(key)},
            "ownerReferences": [owner],
        },
        "spec": template.get("spec") or {},
    }


def _is_owned(claim: Wire, pod: Wire) -> bool:
    owners = claim["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == pod["metadata"]["uid"] for one in owners)
