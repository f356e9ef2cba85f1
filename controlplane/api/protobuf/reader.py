"""The wire format itself: a message is a sequence of (field number, value)."""

from __future__ import annotations

from collections.abc import Iterator

Value = int | bytes
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


class Malformed(ValueError):
    """The bytes are no message of the expected type; the text says why."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == _LENGTH:
            length, position = _varint(data, position)
        elif wire_type in (_FIXED32, _FIXED64):
            length = 4 if wire_type == _FIXED32 else 8
        else:
            raise Malformed(f"wire type {wire_type} is not in use")
        if position + length > end:
            raise Malformed("a field is longer than its message")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(_MAX_VARINT_BYTES):
        if position >= len(data):
            raise Malformed("a message ends within a number")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return result, position
    raise Malformed("a number has more than ten bytes")


def varints(data: bytes) -> Iterator[int]:
    """Packed repeated numbers."""
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def signed(value: int) -> int:
    """Numbers are sent as 64 bits of two's complement."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def number(value: Value) -> int:
    if not isinstance(value, int):
        raise Malformed("text where a number belongs")
    return signed(value)


def octets(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise Malformed("a number where text or a message belongs")
    return value


def text(value: Value) -> str:
    try:
        return octets(value).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"not valid UTF-8: {error}") from None
