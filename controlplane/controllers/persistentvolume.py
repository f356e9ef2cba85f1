"""Volumes: free, bound, or to be reclaimed when their claim is gone.

A directory of class local is removed by the agent of its node, and the object goes only when that agent has said so
(`nodes.reports` takes the finalizer off). A node that was removed from the cluster took its data with it.

Reads a volume, its claim, claims that wait, its node. Writes: its status, ``spec.claimRef`` (kept for a claim that waits),
its deletion, its finalizers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from controlplane.controllers import binding
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Wait
from controlplane.controllers.events import Record
from controlplane.controllers.persistentvolumeclaim import COMPONENT
from controlplane.controllers.plan import Plan, Step
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.kinds.persistentvolume import node_of
from controlplane.store.objects import ChangeRecord, Delete, Patch, Write
from schema import kinds, meta
from schema.base import Wire
from schema.core.persistentvolume import DATA, PROTECTION
from schema.core.persistentvolumeclaim import BOUND_BY_CONTROLLER
from schema.meta import DeleteOptions, Preconditions
from schema.selectors import LabelSelector

LOOK_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Surroundings:
    claim: Wire | None = None
    """The very claim that claimRef names."""
    waiting: Sequence[Wire] = ()
    """Claims that have no volume and wait for no pod, the oldest first; only where the volume is free."""
    node_exists: bool = True


class PersistentVolumeController(Controller[Surroundings]):
    name = "persistentvolume"
    kind = kinds.PERSISTENT_VOLUME
    finalizer = PROTECTION
    plans_deletion = True
    reports = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.PERSISTENT_VOLUME_CLAIM:
            name = (change.object.get("spec") or {}).get("volumeName")
            if name:
                yield "", name

    def gather(self, obj: Wire) -> Surroundings:
        reference = obj["spec"].get("claimRef") or {}
        if "deletionTimestamp" in obj["metadata"]:
            return Surroundings(_claim(reference), node_exists=_exists(node_of(obj)))
        if not reference:
            return Surroundings(waiting=[one for one in objects.claims_without_volume() if _is_for_now(one)])
        return Surroundings(_claim(reference))

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        reference = obj["spec"].get("claimRef") or {}
        if not reference.get("uid"):
            wanted = next((one for one in children.waiting if binding.fits(obj, one) and _may(obj, one)), None)
            steps = [Step("keep for claim", [binding.claim_volume(obj, wanted)])] if wanted else []
            return Plan([*_phase(obj, "Available", now), *steps])
        claim = children.claim
        if claim is None:
            return _reclaim(obj, now)
        bound_to = claim["spec"].get("volumeName")
        if bound_to == obj["metadata"]["name"]:
            return Plan(_phase(obj, "Bound", now))
        if not bound_to:
            return Plan()  # the claim's own controller is about to finish it
        if BOUND_BY_CONTROLLER in (obj["metadata"].get("annotations") or {}):
            return Plan([Step("let go", [_patch(obj, _free)])])
        return _reclaim(obj, now)

    def plan_deletion(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        claim, finalizers = children.claim, obj["metadata"].get("finalizers") or ()
        name = obj["metadata"]["name"]
        if claim is not None and claim["spec"].get("volumeName") in (None, "", name):
            return Plan(outcome=Wait(LOOK_AGAIN_SECONDS, "it is bound and goes with its claim"))
        if DATA not in finalizers or PROTECTION in finalizers:
            return Plan()
        if obj["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            return Plan([Step("leave the data", [_patch(obj, _without_data)])])
        if not children.node_exists:
            message = f"its node {node_of(obj)} does not exist any more, and with it its data"
            told = Record(obj, "Normal", "VolumeGone", message, COMPONENT)
            return Plan([Step("forget the data", [_patch(obj, _without_data)], [told])])
        return Plan(outcome=Wait(LOOK_AGAIN_SECONDS, f"node {node_of(obj)} has to remove its directory first"))


def _claim(reference: Wire) -> Wire | None:
    if not reference.get("name"):
        return None
    try:
        claim = objects.get(kinds.PERSISTENT_VOLUME_CLAIM, reference.get("namespace", ""), reference["name"])
    except NotFound:
        return None
    return claim if claim["metadata"]["uid"] == reference.get("uid") else None


def _exists(hostname: str) -> bool:
    labels = LabelSelector.from_labels({binding.HOSTNAME: hostname})
    return not hostname or bool(objects.list_objects(kinds.NODE, labels=labels).items)


def _is_for_now(claim: Wire) -> bool:
    name = claim["spec"].get("storageClassName")
    try:
        storage_class = objects.get(kinds.STORAGE_CLASS, "", name) if name else None
    except NotFound:
        storage_class = None
    return not binding.waits_for_pod(claim, storage_class)


def _may(volume: Wire, claim: Wire) -> bool:
    return claim["spec"].get("volumeName") in (None, "", volume["metadata"]["name"])


def _reclaim(volume: Wire, now: datetime) -> Plan:
    """Its claim is gone."""
    policy = volume["spec"].get("persistentVolumeReclaimPolicy")
    if policy != "Delete":
        return Plan(_phase(volume, "Released", now))
    if not binding.is_ours(volume):
        message = "Slipway deletes only what it has made: remove the data and delete the volume by hand"
        told = [Record(volume, "Warning", "VolumeFailedDelete", message, COMPONENT)]
        return Plan(_phase(volume, "Failed", now, reason="VolumeFailedDelete", message=message, told=told))
    metadata = volume["metadata"]
    end = Delete(
        kinds.PERSISTENT_VOLUME, "", metadata["name"], DeleteOptions(preconditions=Preconditions(uid=metadata["uid"]))
    )
    return Plan([*_phase(volume, "Released", now), Step("delete", [end])])


def _phase(
    volume: Wire, phase: str, now: datetime, *, reason: str = "", message: str = "", told: Sequence[Record] = ()
) -> list[Step]:
    status = volume.get("status") or {}
    if (status.get("phase"), status.get("reason", ""), status.get("message", "")) == (phase, reason, message):
        return []
    why = {key: value for key, value in (("reason", reason), ("message", message)) if value}
    new = {"phase": phase, "lastPhaseTransitionTime": meta.format_time(now), **why}
    metadata = volume["metadata"]
    change = partial(_with_status, status=new)
    write = Patch(kinds.PERSISTENT_VOLUME, "", metadata["name"], change, "status", metadata["uid"])
    return [Step("phase", [write], told)]


def _with_status(volume: Wire, *, status: Wire) -> Wire:
    return {**volume, "status": status}


def _patch(volume: Wire, change: objects.Change) -> Write:
    metadata = volume["metadata"]
    return Patch(kinds.PERSISTENT_VOLUME, "", metadata["name"], change, uid=metadata["uid"])


def _free(volume: Wire) -> Wire:
    """Without the claim that it was kept for."""
    metadata, spec = volume["metadata"], volume["spec"]
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != BOUND_BY_CONTROLLER}
    spec = {key: value for key, value in spec.items() if key != "claimRef"}
    return {**volume, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _without_data(volume: Wire) -> Wire | None:
    return without_finalizer(volume, DATA)


def without_finalizer(volume: Wire, name: str) -> Wire | None:
    metadata = volume["metadata"]
    present = metadata.get("finalizers") or []
    if name not in present:
        return None
    return {**volume, "metadata": {**metadata, "finalizers": [each for each in present if each != name]}}
