"""bpf(2): small programs for packets, their maps, and an assembler that is just enough to write them with.

There is no compiler on a node, and a program of a hundred instructions needs none. The kernel's verifier reads each
program before it runs. Every function raises OSError with the kernel's number.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Self

from nodeagent import kernel

_CALL_NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY, _PROG_LOAD = range(6)
HASH, LRU_HASH = 1, 9
_CLASSIFIER = 3
"""BPF_PROG_TYPE_SCHED_CLS."""
_LICENSE = b"Apache-2.0\0"
_LOG_BYTES = 65536

CONTEXT, FRAME = 1, 10
"""Registers: what a program is called with, and the (read-only) end of its stack."""
_LOAD = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
_STORE = {1: 0x73, 2: 0x6B, 4: 0x63, 8: 0x7B}
_JUMP = {"==": 0x15, "!=": 0x55, ">": 0x25, "&": 0x45}
_FROM_REGISTER = 0x08
_INSTRUCTION = struct.Struct("=BBhi")


class Code:
    """Instructions one after the other. Registers are numbers; sizes are in bytes."""

    def __init__(self) -> None:
        self._slots: list[tuple[int, int, int, int, int, str]] = []
        self._labels: dict[str, int] = {}

    def _add(self, code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0, label: str = "") -> Self:
        self._slots.append((code, to, source, offset, value, label))
        return self

    def label(self, name: str) -> Self:
        """Where jumps of that name lead."""
        self._labels[name] = len(self._slots)
        return self

    def set(self, to: int, value: int) -> Self:
        return self._add(0xB7, to, value=value)

    def copy(self, to: int, source: int, plus: int = 0) -> Self:
        self._add(0xBF, to, source)
        return self._add(0x07, to, value=plus) if plus else self

    def add(self, to: int, source: int) -> Self:
        return self._add(0x0F, to, source)

    def xor(self, to: int, source: int) -> Self:
        return self._add(0xAF, to, source)

    def shift_right(self, to: int, bits: int) -> Self:
        return self._add(0x77, to, value=bits)

    def mask(self, to: int, bits: int) -> Self:
        return self._add(0x57, to, value=bits)

    def load(self, size: int, to: int, base: int, offset: int) -> Self:
        return self._add(_LOAD[size], to, base, offset)

    def store(self, size: int, base: int, offset: int, source: int) -> Self:
        return self._add(_STORE[size], base, source, offset)

    def map(self, to: int, descriptor: int) -> Self:
        """Two slots: an immediate of 64 bits, here the map of a descriptor (BPF_PSEUDO_MAP_FD)."""
        return self._add(0x18, to, 1, value=descriptor)._add(0)

    def wide(self, to: int, value: int) -> Self:
        return self._add(0x18, to, value=_signed(value & 0xFFFFFFFF))._add(0, value=_signed(value >> 32))

    def jump(self, label: str) -> Self:
        return self._add(0x05, label=label)

    def when(self, register: int, test: str, value: int, label: str) -> Self:
        """Jump where ``register`` compared with a constant holds; ``&``: where a bit is in common."""
        return self._add(_JUMP[test], register, value=value, label=label)

    def when_register(self, register: int, test: str, other: int, label: str) -> Self:
        return self._add(_JUMP[test] | _FROM_REGISTER, register, other, label=label)

    def call(self, helper: int) -> Self:
        """A function of the kernel, by its number in linux/bpf.h: arguments in 1 to 5, the answer in 0; 6 to 9 are kept."""
        return self._add(0x85, value=helper)

    def end(self) -> Self:
        return self._add(0x95)

    def assemble(self) -> bytes:
        """Raises KeyError for a label that is nowhere."""
        return b"".join(
            _INSTRUCTION.pack(code, source << 4 | to, self._labels[label] - at - 1 if label else offset, value)
            for at, (code, to, source, offset, value, label) in enumerate(self._slots)
        )


def _signed(word: int) -> int:
    return word - 0x100000000 if word & 0x80000000 else word


class Map:
    """Of bytes by bytes. Goes when nobody has it open: neither we nor a program that is attached."""

    def __init__(self, kind: int, *, key: int, value: int, entries: int) -> None:
        self._value = value
        self.descriptor = _bpf(_MAP_CREATE, struct.pack("=IIIII", kind, key, value, entries, 0))

    def get(self, key: bytes) -> bytes | None:
        value = ctypes.create_string_buffer(self._value)
        try:
            self._ask(_LOOKUP, ctypes.create_string_buffer(key, len(key)), value)
        except FileNotFoundError:
            return None
        return value.raw

    def put(self, key: bytes, value: bytes) -> None:
        self._ask(_UPDATE, ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value)))

    def delete(self, key: bytes) -> None:
        """Whether it is there or not."""
        try:
            self._ask(_DELETE, ctypes.create_string_buffer(key, len(key)))
        except FileNotFoundError:
            return

    def _ask(
        self, command: int, key: ctypes.Array[ctypes.c_char], value: ctypes.Array[ctypes.c_char] | None = None
    ) -> None:
        second = ctypes.addressof(value) if value is not None else 0
        _bpf(command, struct.pack("=IIQQQ", self.descriptor, 0, ctypes.addressof(key), second, 0))

    def close(self) -> None:
        os.close(self.descriptor)


def load(name: str, code: bytes) -> int:
    """A classifier for tc(8), by its descriptor. An OSError of EACCES or EINVAL has what the verifier said against it."""
    instructions, license_ = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(_LICENSE)
    words = (_CLASSIFIER, len(code) // _INSTRUCTION.size, ctypes.addressof(instructions), ctypes.addressof(license_))
    try:
        return _bpf(_PROG_LOAD, _program(*words, b"", name))
    except OSError as error:
        log = ctypes.create_string_buffer(_LOG_BYTES)
        try:
            return _bpf(_PROG_LOAD, _program(*words, log, name))
        except OSError:
            said = log.value.decode(errors="replace").strip().splitlines()
            raise OSError(error.errno, f"{error.strerror}: {said[-1] if said else ''}".strip(": ")) from None


def _program(
    kind: int, count: int, code: int, license_: int, log: ctypes.Array[ctypes.c_char] | bytes, name: str
) -> bytes:
    size, place = (len(log), ctypes.addressof(log)) if isinstance(log, ctypes.Array) else (0, 0)
    return struct.pack(
        "=IIQQIIQII16s", kind, count, code, license_, int(size > 0), size, place, 0, 0, name.encode()[:15]
    )


def _bpf(command: int, attributes: bytes) -> int:
    """Raises OSError; ENOSYS where we do not know the call's number."""
    return kernel.system_call(_CALL_NUMBER.get(platform.machine(), -1), command, attributes)
