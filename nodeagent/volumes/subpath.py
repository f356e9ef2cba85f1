"""A part of a volume as a mount's source, however the containers that write the volume try to lead it astray.

The path is opened with the volume as the root that no link leaves, and what was opened is bind-mounted to a place of
ours: the container then gets that place, so exchanging a directory for a link afterwards changes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path, PurePosixPath

from nodeagent import kernel
from nodeagent.errors import VolumeError

_DIRECTORY_MODE = 0o755


def bind(volume: Path, sub_path: str, place: Path) -> Path:
    """Mount ``sub_path`` of ``volume`` at ``place``, making missing directories; ``place``. Raises `VolumeError`."""
    parts = PurePosixPath(sub_path).parts
    if PurePosixPath(sub_path).is_absolute() or ".." in parts:
        raise VolumeError(f"subPath {sub_path!r} must be relative and without ..")
    try:
        descriptor = _open(volume, parts)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise VolumeError(f"subPath {sub_path!r} leads out of its volume by a symbolic link") from error
        raise VolumeError(f"subPath {sub_path!r}: {error.strerror}") from error
    try:
        _prepare_place(place, is_directory=stat.S_ISDIR(os.fstat(descriptor).st_mode))
        kernel.mount(f"/proc/self/fd/{descriptor}", str(place), flags=kernel.MS_BIND | kernel.MS_REC)
    except OSError as error:
        raise VolumeError(f"subPath {sub_path!r}: {error.strerror}") from error
    finally:
        os.close(descriptor)
    return place


def _open(volume: Path, parts: tuple[str, ...]) -> int:
    path = "/".join(parts) or "."
    try:
        return kernel.open_beneath(volume, path, os.O_PATH, resolve=kernel.RESOLVE_BENEATH)
    except FileNotFoundError:
        for depth in range(1, len(parts) + 1):
            _make_directory(volume, parts[:depth])
        return kernel.open_beneath(volume, path, os.O_PATH, resolve=kernel.RESOLVE_BENEATH)


def _make_directory(volume: Path, parts: tuple[str, ...]) -> None:
    above = kernel.open_beneath(
        volume, "/".join(parts[:-1]) or ".", os.O_PATH | os.O_DIRECTORY, resolve=kernel.RESOLVE_BENEATH
    )
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(parts[-1], _DIRECTORY_MODE, dir_fd=above)
    finally:
        os.close(above)


def _prepare_place(place: Path, *, is_directory: bool) -> None:
    """An empty directory or file to mount on; what an earlier start of the container mounted there goes."""
    with contextlib.suppress(OSError):
        while True:
            kernel.unmount(str(place), kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
    if place.is_dir():
        place.rmdir()
    else:
        place.unlink(missing_ok=True)
    if is_directory:
        place.mkdir(parents=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
