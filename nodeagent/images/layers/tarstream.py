"""A lean streaming reader of tar: ustar, GNU (long names, base-256 numbers, sparse) and PAX, in one pass.

Standard library only and no more of it than needed: it runs in the unpacking process. It trusts nothing it reads: every
length is bounded before it is used.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # as typing's: importing that would take longer than unpacking a small layer
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK = 512
_LONGEST_HEADER = 1024 * 1024
"""Of a long name or PAX header; real ones are a few hundred bytes, file capabilities and ACLs included."""
_MOST_SPARSE_PIECES = 100_000

_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_SPACES = sum(b" " * 8)

REGULAR = b"0"
HARD_LINK = b"1"
SYMBOLIC_LINK = b"2"
CHARACTER_DEVICE = b"3"
BLOCK_DEVICE = b"4"
DIRECTORY = b"5"
FIFO = b"6"
CONTIGUOUS = b"7"
_SPARSE = b"S"
_LONG_NAME = b"L"
_LONG_LINK = b"K"
_PAX = b"x"
_PAX_GLOBAL = b"g"


class TarError(Exception):
    """The archive is broken; the text says how."""


class Member:
    """One entry. ``size`` is what follows in the stream; ``real_size`` what the file will have."""

    __slots__ = ("gid", "link", "mode", "mtime_ns", "name", "pax", "pieces", "real_size", "size", "type", "uid")

    def __init__(
        self, name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, mtime_ns: int, link: bytes
    ) -> None:
        self.name, self.type, self.mode, self.uid, self.gid = name, kind, mode, uid, gid
        self.size = self.real_size = size
        self.mtime_ns, self.link = mtime_ns, link
        self.pax: dict[bytes, bytes] = _NO_PAX
        self.pieces: list[tuple[int, int]] | None = None
        """Where a sparse file has data: (offset, length)."""


_NO_PAX: dict[bytes, bytes] = {}


class Source:
    """Exact reads out of a stream of chunks. ``more`` gives the next chunk, empty at the end."""

    def __init__(self, more: Callable[[], bytes]) -> None:
        self._more = more
        self._buffer = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        return self._take_slowly(count)

    def _take_slowly(self, count: int) -> bytes:
        parts = [self._buffer[self._at :]]
        have = len(parts[0])
        self._buffer, self._at = b"", 0
        while have < count:
            chunk = self._more()
            if not chunk:
                raise TarError("the archive ends in the middle of an entry: a size in it is wrong, or it was cut")
            if have + len(chunk) > count:
                self._buffer, self._at = chunk, count - have
                chunk = chunk[: count - have]
            parts.append(chunk)
            have += len(chunk)
        return b"".join(parts)

    def pieces(self, count: int) -> Iterator[memoryview]:
        """``count`` bytes as they come, without joining them."""
        while count > 0:
            if self._at >= len(self._buffer):
                self._buffer, self._at = self._more(), 0
                if not self._buffer:
                    raise TarError("the archive ends in the middle of a file: a size in it is wrong, or it was cut")
            piece = memoryview(self._buffer)[self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def drain(self) -> None:
        """Read what follows the archive's end (padding): the digest covers it."""
        self._buffer, self._at = b"", 0
        while self._more():
            pass

    def at_end(self) -> bool:
        if self._at >= len(self._buffer):
            self._buffer, self._at = self._more(), 0
        return not self._buffer


def members(source: Source) -> Iterator[Member]:
    """The entries in order. The caller reads each one's ``size`` bytes and padding (see `padding`) before the next."""
    globals_: dict[bytes, bytes] = {}
    long_name = long_link = b""
    pax: dict[bytes, bytes] = {}
    while not source.at_end():
        block = source.take(BLOCK)
        if not block.strip(b"\0"):
            return
        member = _parse(block)
        kind = member.type
        if kind in (_PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
            data = _extended(source, member)
            if kind == _PAX:
                pax = _records(data)
            elif kind == _PAX_GLOBAL:
                globals_.update(_records(data))
            elif kind == _LONG_NAME:
                long_name = data.partition(b"\0")[0]
            else:
                long_link = data.partition(b"\0")[0]
            continue
        if long_name or long_link or pax or globals_:
            member.name, member.link = long_name or member.name, long_link or member.link
            _apply(member, {**globals_, **pax} if globals_ else pax)
            long_name = long_link = b""
            pax = {}
        if kind == _SPARSE or b"GNU.sparse.major" in member.pax or b"GNU.sparse.map" in member.pax:
            _read_sparse_map(source, member, block)
        yield member


def padding(size: int) -> int:
    return -size % BLOCK


def _parse(block: bytes) -> Member:
    name, mode, uid, gid, size, mtime, check, kind, link, magic, _, _, _, _, prefix = _HEADER.unpack(block)
    if sum(block) - sum(check) + _SPACES != _number(check):
        raise TarError("an entry's header does not match its checksum: this is not a tar archive, or it is damaged")
    name = name.partition(b"\0")[0]
    if magic.startswith(b"ustar\0") and prefix[0]:
        name = prefix.partition(b"\0")[0] + b"/" + name
    if kind in (b"\0", CONTIGUOUS):
        kind = DIRECTORY if name.endswith(b"/") else REGULAR
    member = Member(
        name,
        kind,
        _number(mode) & 0o7777,
        _number(uid),
        _number(gid),
        _number(size),
        _number(mtime) * 1_000_000_000,
        link.partition(b"\0")[0],
    )
    if member.size < 0:
        raise TarError("an entry has a negative size")
    if kind not in (REGULAR, _SPARSE, _PAX, _PAX_GLOBAL, _LONG_NAME, _LONG_LINK):
        # Links and directories carry a size in some archives, but never data.
        member.size = member.real_size = 0
    return member


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ~(1 << (len(field) * 8 - 1))
        return value - (1 << (len(field) * 8 - 1)) if field[0] == 0xFF else value
    text = field.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        pass
    try:
        return int(text.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        raise TarError(f"an entry's header holds {field!r} where a number should be") from None


def _extended(source: Source, member: Member) -> bytes:
    if member.size > _LONGEST_HEADER:
        raise TarError(f"an extended header of {member.size} bytes; the most that is taken is {_LONGEST_HEADER}")
    data = source.take(member.size)
    source.take(padding(member.size))
    return data


def _records(data: bytes) -> dict[bytes, bytes]:
    """PAX records, each ``<its own length> <key>=<value>\\n``."""
    records: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        if space < 0:
            if not data[at:].strip(b"\0"):
                break
            raise TarError("a PAX header is broken")
        try:
            length = int(data[at:space])
        except ValueError:
            raise TarError("a PAX header is broken") from None
        if length <= space - at + 1 or at + length > len(data):
            raise TarError("a PAX header's length is wrong")
        key, equals, value = data[space + 1 : at + length - 1].partition(b"=")
        if not equals:
            raise TarError("a PAX header is broken")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):  # format 0.0 repeats them
            records[b"GNU.sparse.map"] = records.get(b"GNU.sparse.map", b"").lstrip(b",") + b"," + value
        else:
            records[key] = value
        at += length
    return records


def _apply(member: Member, pax: dict[bytes, bytes]) -> None:
    member.pax = pax
    try:
        if path := pax.get(b"GNU.sparse.name") or pax.get(b"path"):
            member.name = path
        if link := pax.get(b"linkpath"):
            member.link = link
        if b"size" in pax and member.type in (REGULAR, _SPARSE):
            member.size = member.real_size = int(pax[b"size"])
        if b"uid" in pax:
            member.uid = int(pax[b"uid"])
        if b"gid" in pax:
            member.gid = int(pax[b"gid"])
        if b"mtime" in pax:
            member.mtime_ns = _nanoseconds(pax[b"mtime"])
    except ValueError:
        raise TarError("a PAX header holds something else where a number should be") from None
    if member.size < 0:
        raise TarError("an entry has a negative size")


def _nanoseconds(text: bytes) -> int:
    """Exact: a float would lose the last digits."""
    whole, _, fraction = text.partition(b".")
    part = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    negative = whole.startswith(b"-")
    return int(whole or b"0") * 1_000_000_000 + (-part if negative else part)


def _read_sparse_map(source: Source, member: Member, block: bytes) -> None:
    if member.type == _SPARSE:
        member.pieces, member.real_size = _old_sparse_map(source, block)
        member.type = REGULAR
    elif member.pax.get(b"GNU.sparse.major") == b"1":
        member.pieces = _sparse_map_in_data(source, member)
        member.real_size = _decimal(member.pax.get(b"GNU.sparse.realsize", b""))
    else:
        numbers = [_decimal(one) for one in member.pax[b"GNU.sparse.map"].strip(b",").split(b",")]
        member.pieces = list(zip(numbers[::2], numbers[1::2], strict=False))
        size = member.pax.get(b"GNU.sparse.size") or member.pax.get(b"GNU.sparse.realsize", b"")
        member.real_size = _decimal(size)
    _check_pieces(member)


def _check_pieces(member: Member) -> None:
    end = 0
    for offset, length in member.pieces or ():
        if offset < end or length < 0:
            raise TarError("a sparse file's map is out of order")
        end = offset + length
    if end > member.real_size or sum(length for _, length in member.pieces or ()) != member.size:
        raise TarError("a sparse file's map does not fit its size")


def _old_sparse_map(source: Source, block: bytes) -> tuple[list[tuple[int, int]], int]:
    """GNU's own format: four pieces in the header, 21 in each extension block."""
    pieces = _sparse_fields(block, 386, 4)
    extended, real_size = block[482], _number(block[483:495])
    while extended:
        block = source.take(BLOCK)
        pieces += _sparse_fields(block, 0, 21)
        extended = block[504]
        if len(pieces) > _MOST_SPARSE_PIECES:
            raise TarError("a sparse file is in too many pieces")
    return pieces, real_size


def _sparse_fields(block: bytes, start: int, count: int) -> list[tuple[int, int]]:
    found = []
    for at in range(start, start + 24 * count, 24):
        if block[at] == 0:
            break
        found.append((_number(block[at : at + 12]), _number(block[at + 12 : at + 24])))
    return found


def _sparse_map_in_data(source: Source, member: Member) -> list[tuple[int, int]]:
    """PAX format 1.0: decimal numbers, one a line, padded to a block, before the data."""
    data = b""
    numbers: list[int] = []
    wanted = 1
    while len(numbers) < wanted:
        if member.size < BLOCK:
            raise TarError("a sparse file's map is cut")
        data += source.take(BLOCK)
        member.size -= BLOCK
        *lines, data = data.split(b"\n")
        numbers += [_decimal(line) for line in lines if line.strip(b"\0") or len(numbers) < wanted]
        wanted = 1 + 2 * numbers[0] if numbers else 1
        if wanted > 2 * _MOST_SPARSE_PIECES:
            raise TarError("a sparse file is in too many pieces")
    numbers = numbers[:wanted]
    return list(zip(numbers[1::2], numbers[2::2], strict=True))


def _decimal(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise TarError("a sparse file's map holds something else where a number should be") from None
