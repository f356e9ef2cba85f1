"""Whether the cache of builds is on the disk: builders write it without waiting for that (`run.unsynced`).

A build leaves a mark before it writes. The agent has the disk catch up when no build goes on, and takes the mark away. A mark of
another boot says that the host went down in between: what is there may have holes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from nodeagent import kernel
from nodeagent.images.disk.state import boot_id

_MARK = "unsynced"
LOCK = "lock"
"""Held by every build, shared."""


def mark(cache: Path) -> None:
    """The disk has it when this returns."""
    file = cache / _MARK
    if _boot_of(file) == boot_id():
        os.utime(file)
        return
    with file.open("w") as out:
        out.write(boot_id())
        out.flush()
        os.fsync(out.fileno())
    _on_disk(cache, os.fsync)


def is_doubtful(cache: Path) -> bool:
    """Whether the host went down before the disk had what builds wrote."""
    return _boot_of(cache / _MARK) not in (None, boot_id())


def settle(cache: Path) -> None:
    """Have the disk hold all, and say so; not while a build goes on."""
    file = cache / _MARK
    if _boot_of(file) != boot_id():  # none, or one that the next build has to see
        return
    with (cache / LOCK).open("a") as lock:
        if not _is_free(lock.fileno()):
            return
        marked = file.stat().st_mtime_ns
        fcntl.flock(lock, fcntl.LOCK_SH)  # the next build need not wait
        _on_disk(cache, kernel.syncfs)
        if _is_free(lock.fileno()) and file.stat().st_mtime_ns == marked:
            file.unlink()


def _is_free(lock: int) -> bool:
    """Whether nobody else has the lock; then it is ours alone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _boot_of(file: Path) -> str | None:
    """None where there is no mark; empty where it did not reach the disk as a whole."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""


def _on_disk(directory: Path, how: Callable[[int], None]) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        how(descriptor)
    finally:
        os.close(descriptor)
