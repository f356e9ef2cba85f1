"""Volumes of claims: directories that outlive pods, and who may write them.

A volume of class local is ``<home>/volumes/<name of the PersistentVolume>``. It is made when a pod first needs it. Once the
control plane has been told, its absence is a loss and no reason to begin with an empty one.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from nodeagent import removal
from nodeagent.errors import VolumeError
from schema.base import Wire
from schema.core.persistentvolume import PATH
from schema.core.pod import Pod
from schema.core.volume import HostPathVolumeSource, Volume
from schema.session import VolumeReport
from schema.storage.storageclass import PROVISIONER

DIRECTORY = "volumes"
"""Below the agent's home."""


def claim_name(pod: Pod, volume: Volume) -> str:
    """The claim of a pod's volume; empty where it has none."""
    if volume.persistent_volume_claim:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral else ""


def is_ours(volume: Wire) -> bool:
    return bool((volume["spec"].get("csi") or {}).get("driver") == PROVISIONER)


def bound(pod: Pod, volume: Volume, volumes: Mapping[str, Wire]) -> Wire:
    """The PersistentVolume behind a pod's volume. Raises `VolumeError`."""
    name = claim_name(pod, volume)
    found = volumes.get(name)
    if found is None:
        raise VolumeError(f'volume {volume.name}: claim "{name}" has no volume yet')
    if found["spec"].get("volumeMode") == "Block":
        raise VolumeError(f"volume {volume.name}: block devices are not given to containers")
    return found


def host_path(volume: Wire) -> HostPathVolumeSource | None:
    """The source of a volume that was made by hand; None for one of ours. Raises `VolumeError`."""
    spec = volume["spec"]
    if is_ours(volume):
        return None
    if spec.get("hostPath"):
        return HostPathVolumeSource.parse(spec["hostPath"])
    if spec.get("local"):
        return HostPathVolumeSource(path=spec["local"]["path"], type="Directory")
    raise VolumeError(f"persistentvolume {volume['metadata']['name']}: storage of this kind is not mounted")


def directory(home: Path, volume: Wire) -> Path:
    """That of a volume of class local, made if this is its first use. Raises `VolumeError` where its data is lost."""
    path = _path(home, volume["metadata"]["name"])
    if path.is_dir():
        return path
    known = (volume["metadata"].get("annotations") or {}).get(PATH)
    if known:
        name = volume["metadata"]["name"]
        raise VolumeError(f"persistentvolume {name}: its directory {path} is gone from the node, and with it its data")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    path.mkdir()
    path.chmod(0o777)  # whatever the agent's umask is; as an emptyDir, for whichever user the pod runs as
    return path


def made(pod: Pod, volumes: Mapping[str, Wire], paths: Mapping[str, Path]) -> Iterator[VolumeReport]:
    """The volumes of class local of which the control plane does not know yet that they have been made."""
    for volume in pod.spec.volumes:
        wire = volumes.get(claim_name(pod, volume))
        if wire is None or not is_ours(wire) or volume.name not in paths:
            continue
        metadata = wire["metadata"]
        if PATH not in (metadata.get("annotations") or {}):
            yield VolumeReport(name=metadata["name"], uid=metadata["uid"], path=str(paths[volume.name]))


def remove(home: Path, name: str) -> None:
    """Raises OSError and `removal.RemovalError`."""
    removal.remove_tree(_path(home, name))


def _path(home: Path, name: str) -> Path:
    if not name or "/" in name or name.startswith("."):
        raise VolumeError(f"{name!r} is no name of a volume")
    return home / DIRECTORY / name


# --- ownership ----------------------------------------------------------------------------------------------------


def own(path: Path, gid: int, *, only_on_mismatch: bool) -> None:
    """Give the volume to a group, as ``fsGroup`` wants it: readable and writable by it, new files of it too.

    Symbolic links are neither followed nor changed, so what a container left in the volume leads nowhere else.
    """
    if only_on_mismatch and _is_owned(path.stat(), gid):
        return
    for _, _, files, descriptor in os.fwalk(path, topdown=False, follow_symlinks=False):
        for name in files:
            _give(name, descriptor, gid)
        # The directory itself last: an interrupted walk leaves the root as it was, and is done again.
        os.fchown(descriptor, -1, gid)
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | 0o2770)


def _is_owned(root: os.stat_result, gid: int) -> bool:
    return root.st_gid == gid and stat.S_IMODE(root.st_mode) & 0o2770 == 0o2770


def _give(name: str, directory: int, gid: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        kind = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        os.chown(name, -1, gid, dir_fd=directory, follow_symlinks=False)
        if not stat.S_ISREG(kind):
            return
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        try:
            os.fchmod(opened, stat.S_IMODE(kind) | 0o660)
        finally:
            os.close(opened)
