"""The claims of pending pods: read before placing, and given their volumes before the pods are bound.

In this order a pod that comes to its node finds its claim bound. A pass that dies in between leaves a claim bound to the node
that was chosen; the next one places the pod there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from controlplane.controllers import binding
from controlplane.controllers.events import Record, record_many
from controlplane.controllers.persistentvolumeclaim import FINISHED, makes, provisioned
from controlplane.scheduler.claims import Candidate, Claim, Decided
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.placement import Placement
from controlplane.store import objects
from controlplane.store.errors import NotFound, StoreError
from controlplane.store.objects import Write
from schema import claims, kinds
from schema.base import Wire
from schema.kinds import Kind

log = logging.getLogger(__name__)


@dataclass
class Storage:
    """What was read of the claims of these pods."""

    claims: dict[str, Wire] = field(default_factory=dict)
    """By ``namespace/name``."""
    classes: dict[str, Wire] = field(default_factory=dict)
    volumes: dict[str, Wire] = field(default_factory=dict)


def attach(pods: Sequence[Wire], demands: Sequence[Demand]) -> tuple[list[Demand], Storage]:
    """The demands with what their pods' claims ask. Costs nothing where no pod has a claim."""
    read = Storage()
    used = [claims.of_pod(pod) for pod in pods]
    if not any(used):
        return list(demands), read
    known: dict[str, Claim] = {}
    attached = []
    for pod, names, demand in zip(pods, used, demands, strict=True):
        found = []
        for volume, name in names.items():
            key = f"{demand.namespace}/{name}"
            if key not in known:
                known[key] = _read(demand.namespace, name, read)
            found.append(_foreign(pod, volume, known[key], read) or known[key])
        attached.append(replace(demand, claims=tuple(found)) if found else demand)
    return attached, read


def _read(namespace: str, name: str, read: Storage) -> Claim:
    key = f"{namespace}/{name}"
    claim = _get(kinds.PERSISTENT_VOLUME_CLAIM, namespace, name)
    if claim is None:
        return Claim(key, problem=f'persistentvolumeclaim "{name}" not found')
    read.claims[key] = claim
    if "deletionTimestamp" in claim["metadata"]:
        return Claim(key, problem=f'persistentvolumeclaim "{name}" is being deleted')
    users = [pod for pod in objects.pods_with_claim(namespace, name) if _holds(pod)]
    one_pod = "ReadWriteOncePod" in (claim["spec"].get("accessModes") or ())
    if one_pod and users:
        user = users[0]["metadata"]["name"]
        return Claim(key, problem=f"claim {name} is ReadWriteOncePod and pod {user} uses it")
    if claim["spec"].get("volumeName"):
        return replace(_with_volume(key, claim), one_pod=one_pod)
    return replace(_without_volume(key, claim, users, read), one_pod=one_pod)


def _holds(pod: Wire) -> bool:
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in FINISHED


def _with_volume(key: str, claim: Wire) -> Claim:
    name = claim["spec"]["volumeName"]
    volume = _get(kinds.PERSISTENT_VOLUME, "", name)
    if volume is None or (claim.get("status") or {}).get("phase") == "Lost":
        return Claim(key, problem=f'persistentvolumeclaim "{claim["metadata"]["name"]}" has lost its volume {name}')
    if not binding.is_bound(claim):
        return Claim(key, problem="pod has unbound immediate PersistentVolumeClaims")
    return Claim(key, bound=True, terms=binding.terms(volume))


def _without_volume(key: str, claim: Wire, users: Sequence[Wire], read: Storage) -> Claim:
    class_name = claim["spec"].get("storageClassName") or ""
    if class_name and class_name not in read.classes and (found := _get(kinds.STORAGE_CLASS, "", class_name)):
        read.classes[class_name] = found
    storage_class = read.classes.get(class_name)
    if not binding.waits_for_pod(claim, storage_class):
        return Claim(
            key, problem=f"pod has unbound immediate PersistentVolumeClaims (claim {claim['metadata']['name']})"
        )
    if users:  # placed without the scheduler: the claim's controller is about to bind it
        return Claim(key, problem=f"claim {claim['metadata']['name']} is being bound")
    if not read.volumes:
        read.volumes = {one["metadata"]["name"]: one for one in objects.free_volumes()}
    if makes(claim, storage_class):
        return Claim(key)
    fitting = sorted(
        (one for one in read.volumes.values() if binding.fits(one, claim)),
        key=lambda one: (one["spec"].get("capacity") or {}).get("storage") or "",
    )
    return Claim(key, candidates=tuple(Candidate(one["metadata"]["name"], binding.terms(one)) for one in fitting))


def _foreign(pod: Wire, volume: str, claim: Claim, read: Storage) -> Claim | None:
    """An ephemeral volume whose claim is somebody else's."""
    spec: Wire = next(one for one in pod["spec"]["volumes"] if one["name"] == volume)
    wire = read.claims.get(claim.key)
    if spec.get("ephemeral") is None or wire is None:
        return None
    if any(one.get("uid") == pod["metadata"]["uid"] for one in wire["metadata"].get("ownerReferences") or ()):
        return None
    return Claim(claim.key, problem=f"PVC {claim.key} was not created for pod (pod is not owner)")


def _get(kind: Kind, namespace: str, name: str) -> Wire | None:
    try:
        return objects.get(kind, namespace, name)
    except NotFound:
        return None


# Giving


def give(placed: Sequence[Placement], decided: Decided, read: Storage) -> list[Placement]:
    """Bind the claims of these pods; the placements whose claims have all that they need."""
    wanted = {
        claim.key: one.node for one in placed for claim in one.pod.claims if not claim.bound and one.node is not None
    }
    if not wanted:
        return list(placed)
    nodes = {node: wire for node in set(wanted.values()) if (wire := _get(kinds.NODE, "", node))}
    failed = {key for key, node in wanted.items() if node not in nodes}
    left = {key: nodes[node] for key, node in wanted.items() if key not in failed}
    failed |= _write({key: _volume(read, decided, key, node) for key, node in left.items()})
    left = {key: node for key, node in left.items() if key not in failed}
    failed |= _write({key: _claim(read, decided, key, node) for key, node in left.items()})
    _tell(read, decided, {key: node for key, node in left.items() if key not in failed})
    return [one for one in placed if not any(claim.key in failed for claim in one.pod.claims)]


def _volume(read: Storage, decided: Decided, key: str, node: Wire) -> Write:
    claim = read.claims[key]
    chosen = decided.volumes.get(key)
    if chosen is not None:
        return binding.claim_volume(read.volumes[chosen], claim)
    return binding.make(claim, read.classes[claim["spec"]["storageClassName"]], node)


def _claim(read: Storage, decided: Decided, key: str, node: Wire) -> Write:
    claim = read.claims[key]
    volume = decided.volumes.get(key) or binding.name_for(claim)
    return binding.bind_claim(claim, volume, node=node["metadata"]["name"])


def _write(writes: Mapping[str, Write]) -> set[str]:
    """The claims whose write was refused. What has changed meanwhile has woken the scheduler again."""
    failed = set()
    for key, result in zip(writes, objects.write_many(list(writes.values())), strict=True):
        if isinstance(result, StoreError):
            log.info("claim %s was not bound: %s", key, result)
            failed.add(key)
    return failed


def _tell(read: Storage, decided: Decided, bound: Mapping[str, Wire]) -> None:
    made: Iterable[Record] = [
        provisioned(read.claims[key], node["metadata"]["name"])
        for key, node in bound.items()
        if key not in decided.volumes
    ]
    record_many(made)
