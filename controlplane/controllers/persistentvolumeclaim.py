"""Claims get volumes, keep them while pods use them, and say what they wait for.

A claim whose class waits for the first consumer is bound by the scheduler together with its pod; here only where a pod came
to its node without the scheduler. A claim of another class, or of none, gets a volume that was made by hand.

Reads a claim, its class, volumes, the pods that use it. Writes: ``spec.volumeName`` and annotations of the claim,
``spec.claimRef`` of the volume (and its capacity, when more is asked for), the claim's status, its finalizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from controlplane.controllers import binding
from controlplane.controllers.base import Controller, Key
from controlplane.controllers.errors import Stalled, Wait
from controlplane.controllers.events import Record
from controlplane.controllers.plan import Condition, Plan, Step, find
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeRecord, ChangeType, Patch
from schema import claims, kinds, quantity
from schema.base import Wire
from schema.core.persistentvolumeclaim import PROTECTION
from schema.kinds import Kind
from schema.storage.storageclass import NO_PROVISIONER
from schema.validation.persistentvolumeclaim import requested

COMPONENT = "persistentvolume-controller"
FINISHED = ("Succeeded", "Failed")
LOOK_AGAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Surroundings:
    storage_class: Wire | None = None
    volume: Wire | None = None
    """That which spec.volumeName names."""
    volumes: Sequence[Wire] = ()
    """Free ones, and those kept for the claim; only while it has none."""
    pods: Sequence[Wire] = ()
    """That use it and are not over."""
    node: Wire | None = None
    """Of the first of them that has one."""


class PersistentVolumeClaimController(Controller[Surroundings]):
    name = "persistentvolumeclaim"
    kind = kinds.PERSISTENT_VOLUME_CLAIM
    finalizer = PROTECTION
    observes_generation = False

    def keys_for(self, change: ChangeRecord) -> Iterable[Key]:
        yield from super().keys_for(change)
        if change.kind is kinds.PERSISTENT_VOLUME:
            reference = (change.object.get("spec") or {}).get("claimRef") or {}
            if reference.get("name"):
                yield reference.get("namespace", ""), reference["name"]
        elif change.kind is kinds.POD and _matters(change):
            for name in claims.of_pod(change.object).values():
                yield change.namespace, name

    def gather(self, obj: Wire) -> Surroundings:
        metadata, spec = obj["metadata"], obj["spec"]
        pods = objects.pods_with_claim(metadata["namespace"], metadata["name"])
        users = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in FINISHED]
        if binding.is_bound(obj):
            return Surroundings(volume=_get(kinds.PERSISTENT_VOLUME, spec["volumeName"]), pods=users)
        placed = next((pod["spec"]["nodeName"] for pod in users if pod["spec"].get("nodeName")), "")
        return Surroundings(
            storage_class=_get(kinds.STORAGE_CLASS, spec.get("storageClassName")),
            volumes=objects.volumes_for_claim(metadata["namespace"], metadata["name"]),
            pods=users,
            node=_get(kinds.NODE, placed),
        )

    def plan(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        if binding.is_bound(obj):
            return _kept(obj, children.volume)
        volume = choose(obj, children)
        if volume is not None:
            name = volume["metadata"]["name"]
            steps = [
                Step("claim volume", [binding.claim_volume(volume, obj)]),
                Step("bind", [binding.bind_claim(obj, name)]),
            ]
            return Plan(steps, [_pending("Binding", f"it gets volume {name}")], {"phase": "Pending"})
        if children.node is not None and makes(obj, children.storage_class):
            return _made(obj, children)
        return _waiting(obj, *why_unbound(obj, children))

    def plan_deletion(self, obj: Wire, children: Surroundings, now: datetime) -> Plan:
        used = [pod["metadata"]["name"] for pod in children.pods if pod["spec"].get("nodeName")]
        if not used:
            return Plan()
        message = f"it is used by pod {', '.join(sorted(used)[:3])} and goes when that has ended"
        return Plan(outcome=Wait(LOOK_AGAIN_SECONDS, message), status=obj.get("status") or {})

    def progress(self, outcome: Wait | Stalled | None) -> Sequence[Condition]:
        """The condition Bound says it."""
        return ()


def _matters(change: ChangeRecord) -> bool:
    """It got a node, it is over, or it is gone."""
    fields, before = change.fields, change.previous_fields
    if change.type is not ChangeType.MODIFIED:
        return bool(fields["spec.nodeName"])
    over = fields["status.phase"] in FINISHED and before["status.phase"] not in FINISHED
    return over or fields["spec.nodeName"] != before["spec.nodeName"]


def _get(kind: Kind, name: str | None) -> Wire | None:
    if not name:
        return None
    try:
        return objects.get(kind, "", name)
    except NotFound:
        return None


# Decisions


def choose(claim: Wire, around: Surroundings) -> Wire | None:
    """The volume that the claim gets now; None where there is none, or it is not yet time."""
    if not binding.waits_for_pod(claim, around.storage_class):
        return binding.match(claim, around.volumes)
    kept = [one for one in around.volumes if binding.names(one, claim)]
    if kept or around.node is None:
        return binding.match(claim, kept)
    node = around.node
    return binding.match(claim, around.volumes, lambda volume: binding.reaches(volume, node))


def makes(claim: Wire, storage_class: Wire | None) -> bool:
    """Whether Slipway makes a volume for it."""
    return (
        binding.is_made_here(storage_class)
        and not claim["spec"].get("volumeName")
        and claim["spec"].get("selector") is None
        and (claim["spec"].get("volumeMode") or "Filesystem") == "Filesystem"
    )


def why_unbound(claim: Wire, around: Surroundings) -> tuple[str, str, str]:
    """Severity, reason and sentence."""
    spec = claim["spec"]
    name = spec.get("storageClassName") or ""
    if spec.get("volumeName"):
        return "Warning", "FailedBinding", f'volume "{spec["volumeName"]}" is not there, not free, or does not fit'
    if name and around.storage_class is None and not around.volumes:
        return "Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found'
    if binding.is_made_here(around.storage_class):
        if not makes(claim, around.storage_class):
            what = "selector" if spec.get("selector") is not None else "volumeMode Block"
            return "Warning", "ProvisioningFailed", f"a claim with {what} gets no volume of class {name}: none is made"
        return "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
    if binding.waits_for_pod(claim, around.storage_class) and around.node is None:
        return "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
    provisioner = (around.storage_class or {}).get("provisioner") or NO_PROVISIONER
    if provisioner != NO_PROVISIONER:
        message = f'waiting for a volume to be created either by the external provisioner "{provisioner}" or manually'
        return "Normal", "ExternalProvisioning", message
    return "Normal", "FailedBinding", "no persistent volumes available for this claim and no storage class makes one"


def _pending(reason: str, message: str) -> Condition:
    return Condition("Bound", "False", reason, message)


def _waiting(claim: Wire, severity: str, reason: str, message: str) -> Plan:
    news = find(claim, "Bound").get("message") != message
    told = [Record(claim, severity, reason, message, COMPONENT)] if news else []
    return Plan([Step("tell", events=told)] if told else [], [_pending(reason, message)], {"phase": "Pending"})


def _made(claim: Wire, around: Surroundings) -> Plan:
    assert around.storage_class is not None  # noqa: S101 - `makes` looked
    assert around.node is not None  # noqa: S101 - the caller looked
    name, node = binding.name_for(claim), around.node["metadata"]["name"]
    steps = [
        Step("make volume", [binding.make(claim, around.storage_class, around.node)], [provisioned(claim, node)]),
        Step("bind", [binding.bind_claim(claim, name, node=node)]),
    ]
    return Plan(steps, [_pending("Binding", f"it gets volume {name}")], {"phase": "Pending"})


def provisioned(claim: Wire, node: str) -> Record:
    message = f"Successfully provisioned volume {binding.name_for(claim)} on node {node}"
    return Record(claim, "Normal", "ProvisioningSucceeded", message, COMPONENT)


def _kept(claim: Wire, volume: Wire | None) -> Plan:
    name = claim["spec"]["volumeName"]
    if volume is None:
        return _lost(claim, f'volume "{name}" does not exist any more; the claim\'s data is lost')
    if not binding.belongs(volume, claim):
        if not volume["spec"].get("claimRef") or binding.names(volume, claim):
            return Plan([Step("claim volume", [binding.claim_volume(volume, claim)])])
        return _lost(claim, f'volume "{name}" is bound to another claim')
    spec = volume["spec"]
    capacity: dict[str, Any] = spec.get("capacity") or {}
    steps = []
    if binding.is_ours(volume) and _asks_more(claim, capacity):
        capacity = {**capacity, "storage": requested(claim["spec"])}
        steps.append(_grown(claim, volume))
    status = {"phase": "Bound", "accessModes": spec.get("accessModes") or [], "capacity": capacity}
    return Plan(steps, [Condition("Bound", "True", "Bound", f"it has volume {name}")], status)


def _lost(claim: Wire, message: str) -> Plan:
    news = (claim.get("status") or {}).get("phase") != "Lost"
    told = [Record(claim, "Warning", "ClaimLost", message, COMPONENT)] if news else []
    status: Wire = {"phase": "Lost", "capacity": {}, "accessModes": []}
    return Plan([Step("tell", events=told)] if told else [], [Condition("Bound", "False", "Lost", message)], status)


def _asks_more(claim: Wire, capacity: Wire) -> bool:
    return quantity.compare(requested(claim["spec"]), capacity.get("storage") or "0") > 0


def _grown(claim: Wire, volume: Wire) -> Step:
    """A directory is as large as its file system: all there is to do is to say so."""
    size = requested(claim["spec"])
    metadata = volume["metadata"]
    write = Patch(
        kinds.PERSISTENT_VOLUME, "", metadata["name"], partial(_with_capacity, size=size), uid=metadata["uid"]
    )
    message = f"The volume's capacity is now {size}; a directory of class local is not kept to it"
    return Step("grow", [write], [Record(claim, "Normal", "VolumeResizeSuccessful", message, COMPONENT)])


def _with_capacity(volume: Wire, *, size: str) -> Wire:
    spec = volume["spec"]
    return {**volume, "spec": {**spec, "capacity": {**(spec.get("capacity") or {}), "storage": size}}}
