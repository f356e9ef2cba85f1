"""A container's log on disk: what its lines look like, which files it is in, and how to read its end. Blocking.

Conmon writes ``<time> <stream> <F|P> <text>`` to ``<attempt>.log``; P marks a piece of a line that goes on. Rotation
renames it to ``<attempt>.log.<n>`` with n counting up for ever, so a file's number says its place in the sequence whatever
was deleted before it, and a reader knows without doubt which file follows the one it has.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

BLOCK = 64 * 1024
_SNAPSHOT_TRIES = 100


@dataclass(frozen=True)
class Line:
    """One raw line. ``content`` ends with a newline unless the line goes on (``partial``)."""

    time: bytes
    stream: bytes
    partial: bool
    content: bytes


def parse(raw: bytes) -> Line | None:
    """A raw line without its newline; None for what is no log line (a torn write after a full disk)."""
    parts = raw.split(b" ", 3)
    if len(parts) != 4 or parts[2][:1] not in (b"F", b"P"):
        return None
    partial = parts[2][:1] == b"P"
    return Line(parts[0], parts[1], partial, parts[3] if partial else parts[3] + b"\n")


def time_of(line: Line) -> datetime | None:
    try:
        return datetime.fromisoformat(line.time.decode())
    except ValueError:
        return None


def shown_time(line: Line) -> bytes:
    """RFC3339Nano as Kubernetes writes it."""
    return line.time.removesuffix(b"+00:00") + b"Z" if line.time.endswith(b"+00:00") else line.time


@dataclass(frozen=True)
class LogPath:
    number: int
    """Place in the sequence, from 1."""
    path: Path
    current: bool


def paths(directory: Path, attempt: int) -> list[LogPath]:
    """The files of one attempt's log, oldest first."""
    rotated = []
    current = False
    try:
        entries = [entry.name for entry in directory.iterdir()]
    except FileNotFoundError:
        return []
    for name in entries:
        if name == f"{attempt}.log":
            current = True
        elif name.startswith(f"{attempt}.log.") and (number := name.rpartition(".")[2]).isdecimal():
            rotated.append(LogPath(int(number), directory / name, current=False))
    rotated.sort(key=lambda one: one.number)
    if current:
        rotated.append(LogPath(rotated[-1].number + 1 if rotated else 1, directory / f"{attempt}.log", current=True))
    return rotated


@dataclass
class OpenFile:
    number: int
    descriptor: int

    def read(self, size: int = BLOCK) -> bytes:
        return os.read(self.descriptor, size)

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        os.close(self.descriptor)


def open_from(directory: Path, attempt: int, first: int) -> list[OpenFile]:
    """The files numbered ``first`` and later, oldest first, opened as they were at one moment.

    A rotation between listing and opening would give a file the number of another. So the names are looked at again
    afterwards, and the whole is done anew if a name means another file than the one opened.
    """
    for _ in range(_SNAPSHOT_TRIES):
        opened = _open_listed([one for one in paths(directory, attempt) if one.number >= first])
        if opened is None:
            continue
        if _same(opened, directory, attempt, first):
            return [file for _, file in opened]
        _close_all(opened)
    raise OSError(f"{directory}: the log is rotated faster than it can be opened")


_Opened = list[tuple[LogPath, OpenFile]]


def _open_listed(listed: Sequence[LogPath]) -> _Opened | None:
    opened: _Opened = []
    for one in listed:
        try:
            opened.append((one, OpenFile(one.number, os.open(one.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))))
        except FileNotFoundError:
            _close_all(opened)
            return None
    return opened


def _same(opened: _Opened, directory: Path, attempt: int, first: int) -> bool:
    if [one for one, _ in opened] != [one for one in paths(directory, attempt) if one.number >= first]:
        return False
    for one, file in opened:
        try:
            if one.path.stat().st_ino != os.fstat(file.descriptor).st_ino:
                return False
        except FileNotFoundError:
            return False
    return True


def _close_all(opened: _Opened) -> None:
    _close([file for _, file in opened])


def _close(files: Sequence[OpenFile]) -> None:
    for file in files:
        file.close()


def seek_tail(files: Sequence[OpenFile], lines: int) -> int:
    """Position the files so that reading them on gives the last ``lines`` lines; the index of the file to begin with.

    Reads backwards from the end, so the time does not grow with the log. A line is what ends in F.
    """
    wanted = lines
    for index in range(len(files) - 1, -1, -1):
        offset, found = _tail_offset(files[index].descriptor, wanted, ends_open=index == len(files) - 1)
        if offset is not None:
            os.lseek(files[index].descriptor, offset, os.SEEK_SET)
            return index
        wanted -= found
        os.lseek(files[index].descriptor, 0, os.SEEK_SET)
    return 0


def _tail_offset(descriptor: int, wanted: int, *, ends_open: bool) -> tuple[int | None, int]:
    """Where the last ``wanted`` lines of a file begin, or (None, how many lines it has) if there are not as many."""
    end = os.fstat(descriptor).st_size
    if wanted <= 0:
        return end, 0
    found = 0
    is_last = True
    for offset, raw in _Backwards(descriptor, end):
        line = parse(raw)
        if line is None:
            continue
        whole = not line.partial or (is_last and ends_open)
        is_last = False
        if whole:
            if found == wanted:
                return offset + len(raw) + 1, found
            found += 1
    return None, found


class _Backwards:
    """(offset, raw line without newline) of each whole line before ``end``, last first."""

    def __init__(self, descriptor: int, end: int) -> None:
        self._descriptor = descriptor
        self._position = end
        self._rest = b""
        self._lines: deque[tuple[int, bytes]] = deque()
        self._seen_end = False

    def __iter__(self) -> _Backwards:
        return self

    def __next__(self) -> tuple[int, bytes]:
        while not self._lines:
            if self._position <= 0:
                raise StopIteration
            self._load()
        return self._lines.pop()

    def _load(self) -> None:
        start = max(0, self._position - BLOCK)
        block = os.pread(self._descriptor, self._position - start, start) + self._rest
        self._position = start
        if not self._seen_end:  # what follows the last newline is still being written
            cut = block.rfind(b"\n") + 1
            if cut == 0:
                self._rest = block
                return
            block, self._seen_end = block[:cut], True
        head = 0
        if start > 0:
            head = block.find(b"\n") + 1
            # The newline found may be the very last byte: then the block is one piece of a longer line.
            if head == 0 or head == len(block):
                self._rest = block
                return
        self._rest = block[:head]
        offset = start + head
        for raw in block[head:].split(b"\n")[:-1]:
            self._lines.append((offset, raw))
            offset += len(raw) + 1


def tail(directory: Path, attempt: int, lines: int) -> list[Line]:
    """The last raw lines of an attempt's log, pieces of lines included."""
    files = open_from(directory, attempt, 1)
    try:
        first = seek_tail(files, lines)
        raw = b"".join(_rest(file) for file in files[first:])
    finally:
        _close(files)
    return [line for piece in raw.split(b"\n")[:-1] if (line := parse(piece)) is not None]


def _rest(file: OpenFile) -> bytes:
    blocks = []
    while block := file.read():
        blocks.append(block)
    return b"".join(blocks)


class Lines:
    """Reads an attempt's files in order, whatever is renamed meanwhile. Blocking."""

    def __init__(self, directory: Path, attempt: int, *, tail: int | None = None) -> None:
        """``tail``: begin with that many last lines, instead of with the first there is."""
        self._directory = directory
        self._attempt = attempt
        self._tail = tail
        self._files: list[OpenFile] | None = None
        self._rest = b""
        self._closed = False
        self._lock = threading.Lock()
        """Who gives it up may have left a read behind in a thread: its files must not be closed under it."""

    def read(self) -> list[Line] | None:
        """The next lines, about as many as are in a block; None when everything has been read that is there now."""
        with self._lock:
            block = b"" if self._closed else self._next_block()
        if not block:
            return None
        *whole, self._rest = (self._rest + block).split(b"\n")
        return [line for raw in whole if (line := parse(raw)) is not None]

    def _next_block(self) -> bytes:
        if self._files is None:
            self._begin()
        return self._block()

    def _begin(self) -> None:
        files = open_from(self._directory, self._attempt, 1)
        first = seek_tail(files, self._tail) if files and self._tail is not None else 0
        _close(files[:first])
        self._files = files[first:]

    def _block(self) -> bytes:
        files = self._files or []
        while files:
            block = files[0].read()
            if block:
                return block
            if len(files) == 1:
                # A newer file means that the writer has left this one for good; only then is its end the end.
                newer = open_from(self._directory, self._attempt, files[0].number + 1)
                if not newer:
                    return b""
                files.extend(newer)
                if block := files[0].read():
                    return block
            files.pop(0).close()
        self._files = open_from(self._directory, self._attempt, 1)
        return self._files[0].read() if self._files else b""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            _close(self._files or ())
