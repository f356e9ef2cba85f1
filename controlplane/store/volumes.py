"""What controllers, scheduler and node sessions ask about volumes and claims, answered by SQL."""

from __future__ import annotations

from controlplane.store import read
from controlplane.store.kinds import persistentvolume, persistentvolumeclaim, pod
from schema import claims
from schema.base import Wire
from schema.core.persistentvolume import DATA, PROTECTION


def volumes_for_claim(namespace: str, name: str) -> list[Wire]:
    """Volumes that nobody has claimed, and those that are kept for this claim."""
    return read.objects_where(persistentvolume.STORAGE, "claim = '' OR claim = %s", [f"{namespace}/{name}"])


def free_volumes() -> list[Wire]:
    return read.objects_where(persistentvolume.STORAGE, "claim = ''", [])


def volumes_to_remove(node: str) -> list[Wire]:
    """Deleted volumes whose directory is still on the node of this host name."""
    found = read.objects_where(persistentvolume.STORAGE, "node_name = %s AND deleted_at <> ''", [node])
    return [volume for volume in found if is_to_be_removed(volume)]


def is_to_be_removed(volume: Wire) -> bool:
    """Nothing but its directory holds a deleted volume."""
    metadata = volume["metadata"]
    policy = (volume.get("spec") or {}).get("persistentVolumeReclaimPolicy")
    held = metadata.get("finalizers") or ()
    return "deletionTimestamp" in metadata and DATA in held and PROTECTION not in held and policy == "Delete"


def claims_without_volume() -> list[Wire]:
    """The oldest first."""
    return read.objects_where(
        persistentvolumeclaim.STORAGE,
        "phase IN ('', 'Pending') AND deleted_at = ''",
        [],
        order="created_at, namespace, name",
    )


def pods_with_claim(namespace: str, claim: str) -> list[Wire]:
    """The oldest first."""
    found = read.objects_where(
        pod.STORAGE,
        "namespace = %s AND (spec LIKE %s OR spec LIKE %s)",
        [namespace, f'%"claimName":"{claim}"%', '%"ephemeral":%'],
        order="created_at, name",
    )
    return [one for one in found if claim in claims.of_pod(one).values()]


def pods_mentioning(word: str) -> list[Wire]:
    """Pods whose spec contains this word as a key: a coarse sieve."""
    return read.objects_where(pod.STORAGE, "spec LIKE %s", [f'%"{word}":%'])
