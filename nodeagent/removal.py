"""Removing a directory tree that containers wrote, and nothing else.

A container may leave symbolic links to anywhere, directories nested deeper than a path may be long, and (through mount
propagation, or after a failed unmount) a mount of somebody else's files. The tree is walked by descriptors that refuse
links and mounts, and directories too deep are first moved up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from nodeagent import kernel
from nodeagent.errors import AgentError

_MAXIMUM_DEPTH = 200
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_RESOLVE = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_XDEV


class RemovalError(AgentError):
    """A mount is in the way: what is below it is not ours to delete."""

    reason = "FailedRemoval"


def mounts_below(directory: Path) -> list[str]:
    """Mount points at or below ``directory``, the innermost first."""
    own = str(directory)
    found = []
    with Path("/proc/self/mountinfo").open() as file:
        for line in file:
            target = line.split(" ", 5)[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
            if target == own or target.startswith(f"{own}/"):
                found.append(target)
    return found[::-1]


def unmount_below(directory: Path) -> None:
    """Detach every mount at or below ``directory``."""
    for target in mounts_below(directory):
        with contextlib.suppress(OSError):
            kernel.unmount(target, kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)


def remove_tree(directory: Path) -> None:
    """Delete ``directory`` and all in it. Raises `RemovalError` at a mount, OSError where the file system refuses."""
    try:
        parent = os.open(directory.parent, _FLAGS)
    except FileNotFoundError:
        return
    try:
        _empty_and_remove(parent, directory.name)
    finally:
        os.close(parent)


def _empty_and_remove(parent: int, name: str) -> None:
    try:
        top = _open(parent, name)
    except FileNotFoundError:
        return
    try:
        while entries := _entries(top):
            for entry, is_directory in entries:
                _remove_entry(top, entry, is_directory=is_directory, top=top, depth=0)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=parent)


def _remove_entry(directory: int, name: str, *, is_directory: bool, top: int, depth: int) -> None:
    if not is_directory:
        _unlink(directory, name)
        return
    if depth >= _MAXIMUM_DEPTH:
        os.rename(name, f".removed-{secrets.token_hex(16)}", src_dir_fd=directory, dst_dir_fd=top)
        return
    child = _open(directory, name)
    try:
        for entry, below in _entries(child):
            _remove_entry(child, entry, is_directory=below, top=top, depth=depth + 1)
    finally:
        os.close(child)
    os.rmdir(name, dir_fd=directory)


def _open(parent: int, name: str) -> int:
    try:
        return kernel.open_beneath(parent, name, _FLAGS, resolve=_RESOLVE)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise RemovalError(f"{name} is a mount: it is left alone; unmount it first") from error
        raise


def _entries(directory: int) -> list[tuple[str, bool]]:
    with os.scandir(directory) as entries:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]


def _unlink(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise RemovalError(f"{name} is a mount: it is left alone; unmount it first") from error
        if error.errno != errno.ENOENT:
            raise
