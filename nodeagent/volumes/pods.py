"""The real `facilities.Volumes`: emptyDir, hostPath, configMap, secret, downwardAPI, projected, and those of claims.

On disk: ``<home>/pods/<uid>/volumes/<name>`` for what is ours, ``<home>/pods/<uid>/subpaths/<container>/<number>`` for
bind mounts of parts. A hostPath is used where it is and never touched. What outlives the pod is in `volumes.claims`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from nodeagent import kernel, removal
from nodeagent.errors import VolumeError
from nodeagent.facilities import Mount
from nodeagent.pods import expansion
from nodeagent.settings import Settings
from nodeagent.volumes import atomic, claims, content, subpath
from schema import quantity
from schema.base import Wire
from schema.core.container import Container, VolumeMount
from schema.core.pod import Pod
from schema.core.volume import EmptyDirVolumeSource, HostPathVolumeSource, Volume

_PROPAGATION = {"HostToContainer": "rslave", "Bidirectional": "rshared"}
_HOST_PATH_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}
_REFERENCE = re.compile(r"\$\([^)]*\)")


class HostVolumes:
    def __init__(self, settings: Settings) -> None:
        self._pods = settings.home.absolute() / "pods"
        self._home = settings.home.absolute()
        self._node_name = settings.node_name
        self._owned: set[tuple[str, str]] = set()
        """Pods and their volumes that were given to the pod's group: once is enough."""

    async def prepare(
        self,
        pod: Pod,
        *,
        config_maps: Mapping[str, Wire],
        secrets: Mapping[str, Wire],
        volumes: Mapping[str, Wire] = MappingProxyType({}),
    ) -> Mapping[str, Path]:
        if not pod.spec.volumes:
            return {}
        objects = content.Objects(config_maps, secrets, self._node_name, volumes)
        return await asyncio.to_thread(self._prepare, pod, objects)

    def _prepare(self, pod: Pod, objects: content.Objects) -> Mapping[str, Path]:
        directory = self._directory(pod.metadata.uid or "") / "volumes"
        directory.mkdir(parents=True, exist_ok=True, mode=0o755)
        context = pod.spec.security_context
        gid = context.fs_group if context else None
        try:
            return {
                volume.name: self._of_claim(pod, volume, objects)
                if claims.claim_name(pod, volume)
                else _make(pod, volume, directory / volume.name, objects, gid)
                for volume in pod.spec.volumes
            }
        except OSError as error:
            raise VolumeError(f"volumes: {error}") from error

    def _of_claim(self, pod: Pod, volume: Volume, objects: content.Objects) -> Path:
        bound = claims.bound(pod, volume, objects.volumes)
        by_hand = claims.host_path(bound)
        if by_hand is not None:
            return _host_path(volume.name, by_hand)
        path = claims.directory(self._home, bound)
        context = pod.spec.security_context
        key = (pod.metadata.uid or "", volume.name)
        if context and context.fs_group is not None and key not in self._owned:
            on_mismatch = context.fs_group_change_policy == "OnRootMismatch"
            claims.own(path, context.fs_group, only_on_mismatch=on_mismatch)
            self._owned.add(key)
        return path

    async def mounts(
        self, pod: Pod, container: Container, paths: Mapping[str, Path], *, environment: Mapping[str, str]
    ) -> Sequence[Mount]:
        directory = self._directory(pod.metadata.uid or "") / "subpaths" / container.name
        volumes = {volume.name: volume for volume in pod.spec.volumes}

        def all_mounts() -> list[Mount]:
            found = []
            for number, mount in enumerate(container.volume_mounts):
                if mount.name not in paths or mount.name not in volumes:
                    raise VolumeError(f"container {container.name}: the pod has no volume {mount.name!r}")
                source = _source(mount, paths[mount.name], directory / str(number), environment)
                found.append(_mount(mount, source, volumes[mount.name]))
            return found

        return await asyncio.to_thread(all_mounts) if container.volume_mounts else []

    async def delete(self, pod_uid: str) -> None:
        await asyncio.to_thread(self._delete, pod_uid)

    def _delete(self, pod_uid: str) -> None:
        directory = self._directory(pod_uid)
        for name in ("subpaths", "volumes"):
            if (directory / name).exists():
                removal.unmount_below(directory / name)
                removal.remove_tree(directory / name)
        self._owned = {key for key in self._owned if key[0] != pod_uid}
        with contextlib.suppress(OSError):
            directory.rmdir()

    async def collect(self, in_use: set[str]) -> None:
        def unused() -> list[str]:
            return (
                [path.name for path in self._pods.iterdir() if path.name not in in_use] if self._pods.exists() else []
            )

        for uid in await asyncio.to_thread(unused):
            await self.delete(uid)

    async def remove(self, volume: str) -> None:
        await asyncio.to_thread(claims.remove, self._home, volume)

    def _directory(self, pod_uid: str) -> Path:
        return self._pods / pod_uid


# --- making -------------------------------------------------------------------------------------------------------


def _make(pod: Pod, volume: Volume, path: Path, objects: content.Objects, gid: int | None) -> Path:
    if volume.host_path:
        return _host_path(volume.name, volume.host_path)
    if volume.empty_dir:
        return _empty_dir(path, volume.empty_dir, gid)
    if not content.is_from_objects(volume):
        raise VolumeError(f"volume {volume.name}: this kind of volume is not made yet")
    files = content.files(pod, volume, objects)
    if content.holds_secrets(volume):
        _tmpfs(path, "mode=755")
    path.mkdir(exist_ok=True, mode=0o755)
    atomic.write(path, files, gid=gid)
    return path


def _empty_dir(path: Path, source: EmptyDirVolumeSource, gid: int | None) -> Path:
    if source.medium == "HugePages":
        raise VolumeError("emptyDir: medium HugePages is not made yet")
    if path.exists() and (source.medium != "Memory" or os.path.ismount(path)):
        return path
    if source.medium == "Memory":
        size = quantity.bytes_(str(source.size_limit)) if source.size_limit else 0
        _tmpfs(path, f"mode=777,size={size}" if size else "mode=777")
    else:
        path.mkdir()
    path.chmod(0o777)  # whatever the agent's umask is
    if gid is not None:
        os.chown(path, -1, gid)
        path.chmod(0o2777)
    return path


def _tmpfs(path: Path, options: str) -> None:
    path.mkdir(exist_ok=True)
    if not os.path.ismount(path):
        kernel.mount("tmpfs", str(path), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)


def _host_path(name: str, source: HostPathVolumeSource) -> Path:
    path = Path(source.path)
    kind = source.type or ""
    if not path.is_absolute() or ".." in path.parts:
        raise VolumeError(f"volume {name}: hostPath {source.path!r} must be absolute and without ..")
    if kind in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
    elif kind == "FileOrCreate" and not path.exists():
        if not path.parent.is_dir():
            raise VolumeError(f"volume {name}: hostPath {path}: its directory does not exist on the node")
        path.touch(mode=0o644)
    if kind in _HOST_PATH_CHECKS:
        _check_kind(name, path, kind)
    return path


def _check_kind(name: str, path: Path, kind: str) -> None:
    matches, word = _HOST_PATH_CHECKS[kind]
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise VolumeError(f"volume {name}: hostPath {path} does not exist on the node; it should be {word}") from error
    if not matches(mode):
        raise VolumeError(f"volume {name}: hostPath {path} is not {word}")


# --- mounting -----------------------------------------------------------------------------------------------------


def _source(mount: VolumeMount, volume: Path, place: Path, environment: Mapping[str, str]) -> Path:
    sub_path = mount.sub_path
    if mount.sub_path_expr:
        sub_path = expansion.expand(mount.sub_path_expr, environment)
        if _REFERENCE.search(sub_path):
            raise VolumeError(f"subPathExpr {mount.sub_path_expr!r}: a variable in it is not set")
    return subpath.bind(volume, sub_path, place) if sub_path else volume


def _mount(mount: VolumeMount, source: Path, volume: Volume) -> Mount:
    return Mount(
        source=source,
        target=mount.mount_path,
        read_only=mount.read_only or content.is_from_objects(volume) or _is_read_only(volume),
        propagation=_PROPAGATION.get(mount.mount_propagation or "", "rprivate"),
    )


def _is_read_only(volume: Volume) -> bool:
    return bool(volume.persistent_volume_claim and volume.persistent_volume_claim.read_only)
