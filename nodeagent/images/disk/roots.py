"""Containers' root file systems: overlayfs over an image's layers, mounted by system call.

All mounting is done by one thread that has left the process's shared notion of a working directory (unshare CLONE_FS)
and stands in ``layers/``: thus each layer is named by one to four characters in the mount's options, which the kernel
bounds to a page, and 500 layers fit.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from nodeagent import kernel
from nodeagent.images import errors
from nodeagent.images.disk import trees
from nodeagent.images.flights import in_thread

_CLONE_FS = 0x200
_LONGEST_OPTIONS = 4095
T = TypeVar("T")


class Roots:
    """``roots/<container id>/`` holds ``image`` (the image id), ``u`` (what was written), ``w`` (overlayfs' own), ``m``."""

    def __init__(self, home: Path) -> None:
        self._roots, self._layers, self._rubbish = home / "roots", home / "layers", home / "rubbish"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mounts", initializer=self._stand_in_layers)

    def _stand_in_layers(self) -> None:
        kernel.unshare(_CLONE_FS)
        os.chdir(self._layers)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def mount(self, container_id: str, image_id: str, layers: Sequence[str]) -> Path:
        """``layers`` are directory names, lowest first. Returns the merged directory."""
        return await self._in_thread(lambda: self._mount(container_id, image_id, layers))

    async def unmount(self, container_id: str) -> None:
        await self._in_thread(lambda: self._unmount(container_id))
        await in_thread(trees.discard, self._roots / _checked(container_id), self._rubbish)

    def present(self) -> dict[str, str]:
        """Container id to image id, of every root there is (mounted or not)."""
        return {path.name: _read_text(path / "image") for path in self._roots.iterdir()}

    def _mount(self, container_id: str, image_id: str, layers: Sequence[str]) -> Path:
        base = self._roots / _checked(container_id)
        merged = base / "m"
        if _is_mounted(merged, base):
            return merged
        if base.exists():
            trees.discard(base, self._rubbish)
        for path in (base, base / "u", base / "w", merged):
            path.mkdir(mode=0o755)
        (base / "image").write_text(image_id)
        lower = _top_first(layers)
        if not lower:
            (self._layers / "0-empty").mkdir(exist_ok=True)
            lower = ["0-empty"]
        _copy_root_directory(self._layers, lower, base / "u")
        # Relative to the layers' directory, see above.
        upper = f"../roots/{container_id}"
        options = f"lowerdir={':'.join(lower)},upperdir={upper}/u,workdir={upper}/w"
        self._mount_overlay(options, merged)
        return merged

    def _mount_overlay(self, options: str, merged: Path) -> None:
        if len(options) > _LONGEST_OPTIONS:
            raise errors.StoreError("the image has more layers than one mount can name")
        try:
            kernel.mount("overlay", str(merged), "overlay", 0, options)
        except OSError as error:
            raise errors.StoreError(_mount_trouble(error, merged)) from None

    def _unmount(self, container_id: str) -> None:
        merged = self._roots / _checked(container_id) / "m"
        while _is_mounted(merged, merged.parent):
            try:
                kernel.unmount(str(merged), kernel.UMOUNT_NOFOLLOW)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise errors.StoreError(f"{merged} cannot be unmounted: {error.strerror}") from None
                kernel.unmount(str(merged), kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)


def _checked(container_id: str) -> str:
    """A container id becomes a file name and a part of mount options."""
    if not container_id or container_id.startswith(".") or not all(c.isalnum() or c in "-_." for c in container_id):
        raise errors.StoreError(f"{container_id!r} cannot be a container's id")
    return container_id


def _is_mounted(merged: Path, base: Path) -> bool:
    try:
        return merged.stat().st_dev != base.stat().st_dev
    except FileNotFoundError:
        return False


def _top_first(layers: Sequence[str]) -> list[str]:
    """As overlayfs lists them. A layer that occurs twice counts where it is uppermost: there it hides its other self."""
    return list(dict.fromkeys(reversed(layers)))


def _copy_root_directory(layers: Path, lower: Sequence[str], upper: Path) -> None:
    """overlayfs takes the root's owner and mode from the upper directory."""
    status = (layers / lower[0]).stat()
    os.chown(upper, status.st_uid, status.st_gid)
    upper.chmod(status.st_mode & 0o7777)


def _mount_trouble(error: OSError, merged: Path) -> str:
    if error.errno == errno.ENODEV:
        return "the kernel has no overlayfs: load its module ('modprobe overlay')"
    if error.errno == errno.EINVAL:
        kind = _file_system(merged)
        return (
            f"overlayfs cannot be mounted at {merged}: {kind} cannot hold its upper directory; "
            "put the agent's --home on ext4, xfs or btrfs (not on overlayfs or NFS)"
        )
    return f"overlayfs cannot be mounted at {merged}: {error.strerror}"


def _file_system(path: Path) -> str:
    """Type of the file system that holds ``path``, for a sentence."""
    best, kind = "", "its file system"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        point = left.split(" ")[4]
        if str(path).startswith(point.rstrip("/") + "/") and len(point) > len(best):
            best, kind = point, right.split(" ")[0]
    return kind


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
