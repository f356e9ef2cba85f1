"""Contexts on disk: ``<contexts>/<uid of the build>/part`` while it comes, ``…/context`` once it is whole.

A piece is appended where the last one ended, so that an upload that broke off goes on from there. A context is renamed when it
is complete and its digest right; anything before that is no context. Several web processes share the directory.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tarfile
import threading
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from controlplane.builds.errors import Busy, Corrupt, NoRoom, TooLarge, WrongOffset

_PART, _WHOLE, _CONTENT = "part", "context", "content"
LARGEST_COMPARED = 256 * 1024 * 1024
MOST_COMPARED = 100_000
"""Bytes and entries of contexts that are compared by what is in them."""
RESERVE_BYTES = 256 * 1024 * 1024
"""Free disk that contexts leave alone."""
_READ = 1024 * 1024


@dataclass(frozen=True)
class State:
    received: int
    complete: bool


def directory(uid: str) -> Path:
    root: Path = settings.BUILD_CONTEXTS
    return root / uid


def path(uid: str) -> Path:
    """Of the whole context."""
    return directory(uid) / _WHOLE


def state(uid: str) -> State:
    for name, complete in ((_WHOLE, True), (_PART, False)):
        with contextlib.suppress(FileNotFoundError):
            return State((directory(uid) / name).stat().st_size, complete)
    return State(0, complete=False)


class Receiver:
    """One piece on its way in. Blocks: to be used in a thread."""

    def __init__(self, file: BinaryIO, uid: str) -> None:
        self._file = file
        self._uid = uid
        self.received = file.seek(0, os.SEEK_END)

    def append(self, data: bytes) -> None:
        """Raises `TooLarge`, and then nothing of the context is left; `NoRoom`, and then what came before stays."""
        if self.received + len(data) > settings.BUILD_CONTEXT_LIMIT:
            self.discard()
            raise TooLarge(_too_large())
        try:
            if shutil.disk_usage(directory(self._uid)).free - len(data) < RESERVE_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # half a piece would be appended to
                self._file.truncate(self.received)
            raise NoRoom(f"the control plane cannot store the context: {error.strerror}") from error
        self.received += len(data)

    def finish(self, digest: str) -> str:
        """The whole is here: it is checked against ``digest`` (if not empty), and in place. Returns its digest."""
        os.fsync(self._file.fileno())
        found = digest_of(directory(self._uid) / _PART)
        if digest and found != digest:
            self.discard()
            raise Corrupt(
                f"the context that came is {found}, its sender says {digest}; send it again from its beginning"
            )
        (directory(self._uid) / _PART).rename(path(self._uid))
        return found

    def discard(self) -> None:
        self._file.truncate(0)
        self.received = 0


def check_total(total: int) -> None:
    if total > settings.BUILD_CONTEXT_LIMIT:
        raise TooLarge(_too_large())


def _too_large() -> str:
    limit = settings.BUILD_CONTEXT_LIMIT
    return (
        f"the context is larger than {limit} bytes ({limit // 2**20} MiB): name what is not needed in .dockerignore, or "
        "raise SLIPWAY_BUILD_CONTEXT_LIMIT"
    )


@contextlib.contextmanager
def receiving(uid: str, offset: int) -> Iterator[Receiver]:
    """Raises `Busy` and `WrongOffset`. At offset 0 what came before is forgotten."""
    place = directory(uid)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (place / _PART).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("the context is being sent by somebody else at this moment") from None
        receiver = Receiver(file, uid)
        if offset == 0:
            receiver.discard()
        if offset != receiver.received:
            here = receiver.received
            raise WrongOffset(f"{here} bytes of the context are here; the piece begins at {offset}", here)
        yield receiver


def digest_of(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        while data := opened.read(_READ):
            found.update(data)
    return f"sha256:{found.hexdigest()}"


def content_digest(uid: str) -> str:
    """Of what the files of a whole context are, without their times and their order; kept beside it. Empty for one that is too
    large to be read for that, or that cannot be."""
    kept = directory(uid) / _CONTENT
    with contextlib.suppress(FileNotFoundError):
        return kept.read_text()
    try:
        found = _content_digest(path(uid)) if path(uid).stat().st_size <= LARGEST_COMPARED else ""
        draft = directory(uid) / f"{_CONTENT}.{os.getpid()}-{threading.get_ident()}"
        draft.write_text(found)
        draft.rename(kept)
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return ""
    return found


def _content_digest(file: Path) -> str:
    entries: dict[str, str] = {}
    total = 0
    with tarfile.open(file, "r|*") as archive:
        for member in archive:
            total += member.size
            if len(entries) > MOST_COMPARED or total > LARGEST_COMPARED:
                return ""
            described = [member.type.decode("latin-1"), member.mode, member.uid, member.gid, member.linkname]
            opened = archive.extractfile(member) if member.isfile() else None
            digest = hashlib.file_digest(opened, "sha256").hexdigest() if opened else ""  # type: ignore[arg-type]
            entries[member.name] = repr([*described, digest])
    return hashlib.sha256(repr(sorted(entries.items())).encode()).hexdigest()


def present() -> list[str]:
    """Uids of the builds that something is here of."""
    with contextlib.suppress(FileNotFoundError):
        return [entry.name for entry in os.scandir(settings.BUILD_CONTEXTS)]
    return []


def drop(uids: Collection[str]) -> None:
    for uid in uids:
        shutil.rmtree(directory(uid), ignore_errors=True)
