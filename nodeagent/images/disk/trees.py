"""Removing trees that a container or a hostile layer has made: of any depth, with any names, without following links."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path


def discard(path: Path, rubbish: Path) -> None:
    """Move ``path`` out of sight (at once), then remove it. Nothing happens when it is not there."""
    doomed = rubbish / uuid.uuid4().hex
    try:
        path.rename(doomed)
    except FileNotFoundError:
        return
    empty(rubbish, [doomed.name])


def empty(rubbish: Path, names: list[str] | None = None) -> None:
    """Remove everything below ``rubbish``. Directories are lifted up to it one by one before they are emptied, so that
    neither recursion, nor a path's length, nor the number of open files bounds how deep a tree may be."""
    root = os.open(rubbish, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        waiting = [path.name for path in rubbish.iterdir()] if names is None else list(names)
        while waiting:
            waiting += _remove(root, waiting.pop())
    finally:
        os.close(root)


def _remove(root: int, name: str) -> list[str]:
    """Remove one entry of ``root``; the directories that it held are now entries of ``root`` and returned."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    except FileNotFoundError:
        return []
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=root)
        return []
    lifted: list[str] = []
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    lifted.append(uuid.uuid4().hex)
                    os.rename(entry.name, lifted[-1], src_dir_fd=descriptor, dst_dir_fd=root)
                else:
                    os.unlink(entry.name, dir_fd=descriptor)
        os.rmdir(name, dir_fd=root)
    except FileNotFoundError:
        pass  # another process removes the same rubbish
    finally:
        os.close(descriptor)
    return lifted
