"""Which volume a claim gets, and the writes that bind the two. Pure.

The volume is claimed first (``spec.claimRef``), then the claim is given its name: whoever dies in between leaves a volume
that is kept for the claim, and the next pass finds it. The scheduler binds claims that wait for their first pod, in
`scheduler.storage`; the controllers bind all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from controlplane.scheduler.labels import Term, any_matches, parse_terms
from controlplane.store.errors import Conflict
from controlplane.store.objects import Create, Patch, Write
from schema import kinds, quantity
from schema.base import Wire
from schema.core.persistentvolume import DATA, PROTECTION, PROVISIONED_BY
from schema.core.persistentvolumeclaim import BOUND_BY_CONTROLLER, BOUND_COMPLETELY, SELECTED_NODE
from schema.selectors import LabelSelector
from schema.storage.storageclass import FIRST_CONSUMER, PROVISIONER
from schema.validation.persistentvolumeclaim import requested

HOSTNAME = "kubernetes.io/hostname"
_SPENT = ("Released", "Failed")


def is_bound(claim: Wire) -> bool:
    return bool(claim["spec"].get("volumeName")) and BOUND_COMPLETELY in (claim["metadata"].get("annotations") or {})


def waits_for_pod(claim: Wire, storage_class: Wire | None) -> bool:
    """Its volume is chosen, or made, when a pod that uses it has been placed."""
    late = (storage_class or {}).get("volumeBindingMode") == FIRST_CONSUMER
    return late and not claim["spec"].get("volumeName")


def is_made_here(storage_class: Wire | None) -> bool:
    return (storage_class or {}).get("provisioner") == PROVISIONER


def is_ours(volume: Wire) -> bool:
    """A directory that an agent made, and removes."""
    return bool((volume["spec"].get("csi") or {}).get("driver") == PROVISIONER)


def names(volume: Wire, claim: Wire) -> bool:
    """The volume is kept for this claim, by name at least."""
    reference = volume["spec"].get("claimRef") or {}
    metadata = claim["metadata"]
    if (reference.get("namespace"), reference.get("name")) != (metadata["namespace"], metadata["name"]):
        return False
    return reference.get("uid") in (None, "", metadata["uid"])


def belongs(volume: Wire, claim: Wire) -> bool:
    """The volume is claimed by this very object."""
    return bool((volume["spec"].get("claimRef") or {}).get("uid") == claim["metadata"]["uid"])


# Matching


def terms(volume: Wire) -> tuple[Term, ...] | None:
    """Alternatives of its node affinity; None: it can be reached from everywhere."""
    affinity = volume["spec"].get("nodeAffinity")
    return None if affinity is None else parse_terms((affinity.get("required") or {}).get("nodeSelectorTerms"))


def reaches(volume: Wire, node: Wire) -> bool:
    wanted = terms(volume)
    return wanted is None or any_matches(wanted, node["metadata"]["name"], node["metadata"].get("labels") or {})


def fits(volume: Wire, claim: Wire) -> bool:
    """The volume is free, or kept for the claim, and has what the claim asks for."""
    spec, wanted = volume["spec"], claim["spec"]
    if "deletionTimestamp" in volume["metadata"] or (volume.get("status") or {}).get("phase") in _SPENT:
        return False
    if spec.get("claimRef") and not names(volume, claim):
        return False
    if (spec.get("storageClassName") or "") != (wanted.get("storageClassName") or ""):
        return False
    if (spec.get("volumeMode") or "Filesystem") != (wanted.get("volumeMode") or "Filesystem"):
        return False
    if not set(wanted.get("accessModes") or ()) <= set(spec.get("accessModes") or ()):
        return False
    selector = wanted.get("selector")
    if selector is not None and not LabelSelector.from_object(selector).matches(volume["metadata"].get("labels") or {}):
        return False
    return quantity.bytes_((spec.get("capacity") or {}).get("storage") or "0") >= quantity.bytes_(requested(wanted))


def match(claim: Wire, volumes: Iterable[Wire], allowed: Callable[[Wire], bool] = lambda volume: True) -> Wire | None:
    """What is kept for the claim, else the smallest that fits; the first by name of several."""
    wanted = claim["spec"].get("volumeName")
    found = [one for one in volumes if allowed(one) and fits(one, claim)]
    found = [one for one in found if not wanted or one["metadata"]["name"] == wanted]
    return min(found, key=lambda one: _preference(one, claim), default=None)


def _preference(volume: Wire, claim: Wire) -> tuple[bool, int, str]:
    capacity = quantity.bytes_((volume["spec"].get("capacity") or {}).get("storage") or "0")
    return (not names(volume, claim), capacity, volume["metadata"]["name"])


# Making


def name_for(claim: Wire) -> str:
    """Follows from the claim, so making it twice is one volume."""
    return f"pvc-{claim['metadata']['uid']}"


def made_for(claim: Wire, storage_class: Wire, node: Wire) -> Wire:
    """A directory on this node for this claim. Its agent makes it when a pod first needs it."""
    spec = claim["spec"]
    metadata = node["metadata"]
    hostname = (metadata.get("labels") or {}).get(HOSTNAME) or metadata["name"]
    requirement = {"key": HOSTNAME, "operator": "In", "values": [hostname]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name_for(claim),
            "annotations": {PROVISIONED_BY: PROVISIONER},
            "finalizers": [PROTECTION, DATA],
        },
        "spec": {
            "capacity": {"storage": requested(spec)},
            "accessModes": spec.get("accessModes") or [],
            "claimRef": reference(claim),
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": "Filesystem",
            "csi": {"driver": PROVISIONER, "volumeHandle": name_for(claim), "volumeAttributes": {"node": hostname}},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}},
        },
    }


def reference(claim: Wire) -> Wire:
    metadata = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


# Writes


def make(claim: Wire, storage_class: Wire, node: Wire) -> Write:
    return Create(kinds.PERSISTENT_VOLUME, made_for(claim, storage_class, node))


def claim_volume(volume: Wire, claim: Wire) -> Write:
    """`Conflict` where another claim was faster."""
    metadata = volume["metadata"]
    change = partial(_claimed, claim=claim)
    return Patch(kinds.PERSISTENT_VOLUME, "", metadata["name"], change, uid=metadata["uid"])


def _claimed(volume: Wire, *, claim: Wire) -> Wire | None:
    if belongs(volume, claim):
        return None
    if (volume["spec"].get("claimRef") and not names(volume, claim)) or "deletionTimestamp" in volume["metadata"]:
        raise Conflict("the volume is another claim's", kind=kinds.PERSISTENT_VOLUME, name=volume["metadata"]["name"])
    found = volume["spec"].get("claimRef") is None
    metadata = _annotated(volume, {BOUND_BY_CONTROLLER: "yes"} if found else {})
    return {**volume, "metadata": metadata, "spec": {**volume["spec"], "claimRef": reference(claim)}}


def bind_claim(claim: Wire, volume: str, *, node: str = "") -> Write:
    """`Conflict` where it has another volume, or is being deleted."""
    metadata = claim["metadata"]
    change = partial(_bound, volume=volume, node=node)
    return Patch(kinds.PERSISTENT_VOLUME_CLAIM, metadata["namespace"], metadata["name"], change, uid=metadata["uid"])


def _bound(claim: Wire, *, volume: str, node: str) -> Wire | None:
    has = claim["spec"].get("volumeName")
    if has == volume and is_bound(claim):
        return None
    if has not in (None, "", volume) or "deletionTimestamp" in claim["metadata"]:
        raise Conflict("it has another volume", kind=kinds.PERSISTENT_VOLUME_CLAIM, name=claim["metadata"]["name"])
    annotations = {BOUND_COMPLETELY: "yes"}
    if not has:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    if node:
        annotations[SELECTED_NODE] = node
    return {**claim, "metadata": _annotated(claim, annotations), "spec": {**claim["spec"], "volumeName": volume}}


def _annotated(obj: Wire, annotations: dict[str, str]) -> Wire:
    metadata: Wire = obj["metadata"]
    return {**metadata, "annotations": {**(metadata.get("annotations") or {}), **annotations}}
