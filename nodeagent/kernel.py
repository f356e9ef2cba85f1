"""The few system calls that Python 3.11 has no function for, with errors as OSError.

ctypes releases the interpreter lock during a call; ``unshare`` and ``setns`` change the calling thread only, so callers
run them in a thread of their own.
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False  # as typing's: short-lived processes import this module, and need neither of these
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2
UMOUNT_NOFOLLOW = 0x8

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWNET = 0x40000000

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10

IN_MODIFY = 0x2
IN_CLOSE_WRITE = 0x8
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_Q_OVERFLOW = 0x4000

_SYS_OPENAT2 = 437
"""The same number on every architecture: it is younger than their common table."""

_libc: Any = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, path: str | None = None) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    _check(
        _libc.mount(source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode()),
        target,
    )


def unmount(target: str, flags: int = 0) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), target)


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags))


def setns(descriptor: int, kind: int) -> None:
    _check(_libc.setns(descriptor, kind))


def system_call(number: int, command: int, attributes: bytes) -> int:
    """One of those that take a command and a structure with its size, bpf(2) say."""
    place = ctypes.create_string_buffer(attributes, len(attributes))
    return _check(_libc.syscall(number, command, place, len(attributes)))


def syncfs(descriptor: int) -> None:
    """Write the file system of an open file to its disk."""
    _check(_libc.syncfs(descriptor))


def sethostname(name: str) -> None:
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)))


def inotify(path: Path, mask: int) -> int:
    """A non-blocking inotify descriptor that watches one directory."""
    descriptor = _check(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    try:
        _check(_libc.inotify_add_watch(descriptor, os.fsencode(path), mask), str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def inotify_init() -> int:
    """A non-blocking inotify descriptor that watches nothing yet."""
    return _check(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def inotify_add(descriptor: int, path: Path, mask: int) -> int:
    """The number of the watch, which is the same again for a directory that is already watched."""
    return _check(_libc.inotify_add_watch(descriptor, os.fsencode(path), mask), str(path))


def inotify_remove(descriptor: int, watch: int) -> None:
    _check(_libc.inotify_rm_watch(descriptor, watch))


def inotify_watches(buffer: bytes) -> set[int]:
    """The watches that the events in what was read belong to; -1 where the queue overflowed."""
    watches = set()
    offset = 0
    while offset < len(buffer):
        watch, _, _, length = struct.unpack_from("iIII", buffer, offset)
        watches.add(watch)
        offset += 16 + length
    return watches


def inotify_events(buffer: bytes) -> list[tuple[int, str]]:
    """(mask, file name) of each event in what was read from an inotify descriptor."""
    events = []
    offset = 0
    while offset < len(buffer):
        _, mask, _, length = struct.unpack_from("iIII", buffer, offset)
        offset += 16
        events.append((mask, buffer[offset : offset + length].rstrip(b"\0").decode()))
        offset += length
    return events


def open_beneath(
    root: str | int | Path, path: str, flags: int, *, mode: int = 0, resolve: int = RESOLVE_IN_ROOT
) -> int:
    """Open ``path`` with ``root`` as the root directory: no symbolic link or ``..`` leads out of it.

    ``root`` is a directory's path or descriptor. Linux 5.6, ``openat2``. Magic links of /proc are never followed.
    """
    directory = root if isinstance(root, int) else os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve | RESOLVE_NO_MAGICLINKS)
        relative = os.fsencode(path.lstrip("/") or ".")
        return _check(_libc.syscall(_SYS_OPENAT2, directory, relative, how, ctypes.c_size_t(len(how))), path)
    finally:
        if not isinstance(root, int):
            os.close(directory)
