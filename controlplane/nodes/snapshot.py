"""What the store says a node should run, at one revision. Runs in a thread of the pool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

from controlplane.nodes.cluster import PROJECTIONS
from controlplane.nodes.desired import CONFIG_MAP, VOLUME, Ref
from controlplane.registry import setting
from controlplane.store import objects
from controlplane.store.errors import NotFound
from controlplane.store.objects import ChangeType
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind

_FOLD = 1000


@dataclass(frozen=True)
class Snapshot:
    revision: int
    pods: list[Wire]
    volumes_to_remove: list[Wire] = field(default_factory=list)


def read(node: str) -> Snapshot:
    """The node's pods. What was written while they were read is folded in, so the answer belongs to its revision: no
    later change may bring back a pod that was already gone."""
    revision = objects.current_revision()
    pods = {pod["metadata"]["uid"]: pod for pod in objects.pods_on(node)}
    while True:
        changes = objects.changes_since(revision, _FOLD)
        for change in changes:
            if change.kind is not kinds.POD:
                continue
            if change.type is ChangeType.DELETED:
                pods.pop(change.uid, None)
            elif (change.object.get("spec") or {}).get("nodeName") == node:
                pods[change.uid] = change.object
        if changes:
            revision = changes[-1].revision
        if len(changes) < _FOLD:
            return Snapshot(revision, list(pods.values()), objects.volumes_to_remove(node))


def cluster() -> list[tuple[Kind, Wire]]:
    """All objects of the kinds that every node knows."""
    return [(kind, wire) for kind in PROJECTIONS for wire in objects.list_objects(kind).items]


def facts() -> Wire:
    """What holds for the whole cluster. The VXLAN network's number follows from the cluster's identity (by custom the uid of
    kube-system), so that clusters on one network keep apart."""
    identity = objects.get(kinds.NAMESPACE, "", "kube-system")["metadata"]["uid"]
    vni = 1 + int.from_bytes(hashlib.sha256(identity.encode()).digest()[:3]) % (2**24 - 2)
    known: Wire = {
        "vni": vni,
        "podNetwork": settings.POD_NETWORK,
        "serviceNetwork": settings.SERVICE_NETWORK,
        "domain": settings.CLUSTER_DOMAIN,
    }
    registry = setting.facts()
    return known if registry is None else {**known, "registry": registry}


def look_up(refs: Iterable[Ref]) -> list[tuple[Ref, Wire | None]]:
    return [(ref, _get(ref)) for ref in refs]


def _get(ref: Ref) -> Wire | None:
    try:
        if ref.kind == VOLUME:
            return _volume_of(ref)
        kind = kinds.CONFIG_MAP if ref.kind == CONFIG_MAP else kinds.SECRET
        return objects.get(kind, ref.namespace, ref.name)
    except NotFound:
        return None


def _volume_of(ref: Ref) -> Wire | None:
    """The volume that the claim is bound to."""
    claim = objects.get(kinds.PERSISTENT_VOLUME_CLAIM, ref.namespace, ref.name)
    name = claim["spec"].get("volumeName")
    volume = objects.get(kinds.PERSISTENT_VOLUME, "", name) if name else None
    owner = ((volume or {}).get("spec") or {}).get("claimRef") or {}
    return volume if owner.get("uid") == claim["metadata"]["uid"] else None
