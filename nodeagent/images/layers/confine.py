"""Shutting the unpacking process into one directory, for good (runs in that process; standard library only).

A hostile archive must first break the tar reader or a decompressor, and then still finds: a mount namespace that holds
this one directory (no devices, no set-user-id, no programs), no network, no descriptors but its pipes, and of root's
capabilities only those that give files their owners and modes.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct

from nodeagent import kernel

_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID, _SETFCAP = 0, 1, 3, 4, 31
UNPACKING = (_CHOWN, _DAC_OVERRIDE, _FOWNER, _FSETID, _SETFCAP)

_SIGKILL = 9
_MS_MOVE = 0x2000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_PIVOT_ROOT = {"x86_64": 155, "i686": 217, "armv7l": 218, "ppc64le": 203, "s390x": 217}
_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 3600

_libc = ctypes.CDLL(None, use_errno=True)


def enter(directory: str) -> None:
    """Make ``directory`` the root of all there is. Raises OSError where the kernel refuses."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount(directory, directory, "", kernel.MS_BIND)
    flags = kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("none", directory, "", flags)
    os.chdir(directory)
    _pivot_root()
    os.chdir("/")


def _pivot_root() -> None:
    """Both arguments ``.``: the old root ends up stacked below the new one and is detached (pivot_root(2))."""
    number = _SYS_PIVOT_ROOT.get(os.uname().machine, 41)
    if _libc.syscall(ctypes.c_long(number), b".", b".") == 0:
        kernel.unmount(".", kernel.MNT_DETACH)
        return
    # A machine that runs out of its initial ramdisk cannot pivot; moving the mount over the root does as well there.
    kernel.mount(".", "/", "", _MS_MOVE)
    os.chroot(".")


def give_up_privileges(keep: tuple[int, ...], *, user: int | None = None) -> None:
    """Drop every capability but ``keep``, from the bounding set too; then become ``user`` where one is given."""
    for number in range(64):
        if number not in keep:
            _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    _set_capabilities(keep)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _set_capabilities(keep: tuple[int, ...]) -> None:
    mask = sum(1 << number for number in keep)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, struct.pack("6I", low, low, 0, high, high, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def limit_files(largest_bytes: int) -> None:
    _lower(resource.RLIMIT_FSIZE, largest_bytes)


def limit_resources() -> None:
    """Bounds that hold even if our own counting were fooled. Lowering is always allowed."""
    _lower(resource.RLIMIT_AS, _MEMORY_BYTES)
    _lower(resource.RLIMIT_CPU, _CPU_SECONDS)
    _lower(resource.RLIMIT_NOFILE, 64)
    _lower(resource.RLIMIT_CORE, 0)
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # no /proc: then nobody chooses victims by it either
    os.write(descriptor, b"900")
    os.close(descriptor)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
