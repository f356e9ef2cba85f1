"""A directory as an archive: what ``.dockerignore`` leaves, owned by root, in order: the same files are the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from controlplane.builds.sender.errors import SendError
from schema.dockerfile.ignore import Ignore

_LEVEL = 1
"""Of gzip: the network is quicker than a higher one."""


@dataclass(frozen=True)
class Archive:
    file: IO[bytes]
    size: int
    digest: str
    entries: int


def ignore_of(directory: Path, dockerfile: str) -> Ignore:
    """``<Dockerfile>.dockerignore`` beside the Dockerfile goes first, as with Docker."""
    for name in (f"{dockerfile}.dockerignore", ".dockerignore"):
        file = directory / name
        if file.is_file():
            return Ignore(file.read_text(errors="replace"))
    return Ignore("")


def entries(directory: Path, ignore: Ignore, keep: frozenset[str]) -> Iterator[Path]:
    """What goes along, directories before what is in them. ``keep`` goes in any case."""
    for where, directories, files in os.walk(directory):
        base = Path(where)
        kept = []
        for name in sorted(directories):
            path = base / name
            relative = path.relative_to(directory).as_posix()
            excluded = ignore.excludes(relative)
            holds = any(each.startswith(f"{relative}/") for each in keep)
            if path.is_symlink():
                if not excluded:
                    yield path
                continue
            if not excluded or ignore.has_exceptions or holds:
                kept.append(name)
            if not excluded or holds:
                yield path
        directories[:] = kept
        for name in sorted(files):
            relative = (base / name).relative_to(directory).as_posix()
            if relative in keep or not ignore.excludes(relative):
                yield base / name


def pack(directory: Path, ignore: Ignore, keep: frozenset[str], into: IO[bytes]) -> Archive:
    """Raises `SendError` for what cannot be read."""
    count = 0
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=into, compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in entries(directory, ignore, keep):
            count += _add(archive, directory, path)
    size = into.tell()
    into.seek(0)
    digest = hashlib.sha256()
    while data := into.read(1024 * 1024):
        digest.update(data)
    return Archive(into, size, f"sha256:{digest.hexdigest()}", count)


def _add(archive: tarfile.TarFile, directory: Path, path: Path) -> int:
    try:
        member = archive.gettarinfo(path, path.relative_to(directory).as_posix())
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            return 0  # a socket or the like, of which no image can be made
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = int(member.mtime)
        if member.isfile():
            with path.open("rb") as file:
                archive.addfile(member, file)
        else:
            archive.addfile(member)
    except OSError as error:
        raise SendError(f"{path}: {error.strerror or error}") from None
    return 1
