"""Which claims a pod uses. Pure."""

from __future__ import annotations

from schema.base import Wire


def of_pod(pod: Wire) -> dict[str, str]:
    """By the pod's own name of the volume. A claim made for the pod alone is called ``<pod>-<volume>``."""
    found: dict[str, str] = {}
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        if source := volume.get("persistentVolumeClaim"):
            found[volume["name"]] = source.get("claimName") or ""
        elif volume.get("ephemeral") is not None:
            found[volume["name"]] = of_ephemeral(pod["metadata"]["name"], volume["name"])
    return {volume: claim for volume, claim in found.items() if claim}


def of_ephemeral(pod: str, volume: str) -> str:
    return f"{pod}-{volume}"
