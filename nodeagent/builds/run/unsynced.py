"""A process to whose calls of fsync and its like the kernel answers "done" without doing anything.

containers/storage rewrites a few small files for each step, and has the disk catch up with each of them: fifty times a step.
What is lost with it in a power cut is a cache of builds, which is then begun anew (`cache`). Steps inherit this: their files
are read again from memory at once, and are durable only as the image that they become.
"""

from __future__ import annotations

import ctypes
import os
import struct

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_ALLOW, _DONE = 0x7FFF0000, 0x00050000
"""SECCOMP_RET_ALLOW; SECCOMP_RET_ERRNO with no error."""
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
"""Where these are in struct seccomp_data."""
_CALLS = {
    "x86_64": (0xC000003E, (74, 75, 162, 277, 306)),
    "aarch64": (0xC00000B7, (82, 83, 81, 84, 267)),
}
"""AUDIT_ARCH, and the numbers of fsync, fdatasync, sync, sync_file_range, syncfs."""

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def become() -> None:
    """This process and all its children, for good. Takes CAP_SYS_ADMIN; nothing happens on a machine not known here."""
    code = program(os.uname().machine)
    if not code:
        return
    held = ctypes.create_string_buffer(code, len(code))
    given = _Program(len(code) // 8, ctypes.addressof(held))
    if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(given), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl: {os.strerror(number)}")


def program(machine: str) -> bytes:
    """In the kernel's words (struct sock_filter), empty for a machine that is not known."""
    if machine not in _CALLS:
        return b""
    architecture, numbers = _CALLS[machine]
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_IF_EQUAL, 0, len(numbers) + 1, architecture), (_LOAD, 0, 0, _NUMBER)]
    code += [(_JUMP_IF_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)]
    return b"".join(struct.pack("=HBBI", *each) for each in (*code, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DONE)))
