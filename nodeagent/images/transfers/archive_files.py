"""The files of an archive or of a layout's directory, by their names, without unpacking it."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from nodeagent.images import errors
from nodeagent.images.layers import tarstream

CHUNK = 1024 * 1024
_MOST_MEMBERS = 100_000

Readable = io.RawIOBase | io.BufferedReader


class Files(Protocol):
    """The files of an archive or layout, by their path in it."""

    def close(self) -> None: ...

    def size(self, name: str) -> int | None: ...

    def open_at(self, name: str, start: int) -> Readable: ...


def opened(path: Path | None, home: Path) -> Files:
    """None: standard input, kept in a file without a name meanwhile."""
    if path is None:
        spool = tempfile.TemporaryFile(dir=home / "partial")  # noqa: SIM115 (lives as long as the load)
        shutil.copyfileobj(sys.stdin.buffer, spool, CHUNK)
        return _TarFiles(spool)
    if path.is_dir():
        return _DirectoryFiles(path)
    try:
        return _TarFiles(path.open("rb"))
    except OSError as error:
        raise errors.NotFound(f"{path} cannot be read: {error.strerror}") from None


class _DirectoryFiles:
    def __init__(self, root: Path) -> None:
        self._root = root

    def close(self) -> None:
        pass

    def size(self, name: str) -> int | None:
        path = self._root / _inside(name)
        return path.stat().st_size if path.is_file() and not path.is_symlink() else None

    def open_at(self, name: str, start: int) -> Readable:
        file = (self._root / _inside(name)).open("rb")
        file.seek(start)
        return file


class _TarFiles:
    """``docker save`` of old makes equal layers symbolic links to each other (``../<id>/layer.tar``)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._where: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            self._index()
        except tarstream.TarError as error:
            file.close()
            raise errors.BadImage(f"this file is no archive of images: {error}") from None

    def close(self) -> None:
        self._file.close()

    def _index(self) -> None:
        self._file.seek(0)
        source = _SeekingSource(self._file)
        for member in tarstream.members(source):
            name = _inside(os.fsdecode(member.name))
            if member.type == tarstream.REGULAR:
                self._where[name] = (source.position, member.size)
            elif member.type == tarstream.SYMBOLIC_LINK:
                self._links[name] = os.path.normpath(PurePosixPath(name).parent / os.fsdecode(member.link))
            if len(self._where) + len(self._links) > _MOST_MEMBERS:
                raise errors.BadImage(f"the archive has more than {_MOST_MEMBERS} members")
            source.jump(member.size + tarstream.padding(member.size))

    def size(self, name: str) -> int | None:
        found = self._find(name)
        return found[1] if found else None

    def open_at(self, name: str, start: int) -> Readable:
        offset, size = self._find(name) or (0, 0)
        return _Window(self._file.fileno(), offset + start, offset + size)

    def _find(self, name: str) -> tuple[int, int] | None:
        name = _inside(name)
        return self._where.get(self._links.get(name, name))


class _SeekingSource(tarstream.Source):
    """A tar source that steps over file contents instead of reading them."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(lambda: file.read(tarstream.BLOCK))
        self._seekable = file
        self._end = file.seek(0, os.SEEK_END)
        file.seek(0)

    @property
    def position(self) -> int:
        return self._seekable.tell()

    def jump(self, count: int) -> None:
        if self.position + count > self._end:
            raise tarstream.TarError("it ends in the middle of a file")
        self._seekable.seek(count, os.SEEK_CUR)


class _Window(io.RawIOBase):
    """A part of a file, read without moving the file's own position."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor, self._at, self._end = descriptor, start, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._descriptor, min(len(buffer), self._end - self._at), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _inside(name: str) -> str:
    clean = os.path.normpath(name.lstrip("/") or ".")
    if clean.startswith(".."):
        raise errors.BadImage(f"the archive speaks of {name[:200]!r}, which lies outside it")
    return clean
