"""A layer that another store on this host has unpacked already, copied as it is: no archive is read.

That store is root's alone, and nobody changes what it holds. It knows overlayfs as ours does: a whiteout is a character device
0:0, an opaque directory has an attribute. What our own unpacking would refuse, or does not know, is not taken from it.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nodeagent.images.settings import Limits

_OPAQUE = "trusted.overlay.opaque"
_STEERING = ("trusted.", "user.overlay.")
"""What they begin with: attributes that have a meaning to overlayfs."""


class Unfit(Exception):
    """The layer has to be unpacked from its archive. The text says why."""


@dataclass(frozen=True)
class Foreign:
    """A layer of the other store."""

    diff_id: str
    directory: Path
    named: Callable[[], Sequence[str]]
    """The paths of the archive's entries, in its order; the root's is empty."""


@dataclass
class Copied:
    size: int = 0
    """Bytes of files."""
    entries: int = 0
    """Of the archive, and the directories that they imply."""
    opaque: list[str] = field(default_factory=list)
    implied: list[str] = field(default_factory=list)
    """Directories that the archive had no entry for."""


def copy(layer: Foreign, target: Path, limits: Limits) -> Copied:
    """Into an empty directory. Raises `Unfit` and OSError; what was copied until then is the caller's to remove."""
    status = os.statvfs(target)
    free = status.f_bavail * status.f_frsize - limits.reserve_bytes
    bounded = replace(limits, unpacked_bytes=min(limits.unpacked_bytes, free))
    try:
        return _Copy(layer.directory, target, layer.named(), bounded).run()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise Unfit("it is deeper than a path may be long") from None
        raise


class _Copy:
    def __init__(self, source: Path, target: Path, named: Sequence[str], limits: Limits) -> None:
        self._source, self._target, self._named, self._limits = source, target, frozenset(named), limits
        self._made = Copied(entries=len(named))
        self._count_of_all = 0
        self._links: dict[int, str] = {}
        """Of files with several names: the first of them."""
        self._directories: list[str] = []
        self._implied: set[str] = set()

    def run(self) -> Copied:
        waiting = [""]
        while waiting:
            path = waiting.pop()
            self._directory(path)
            with os.scandir(self._source / path) as entries:
                for entry in entries:
                    below = f"{path}/{entry.name}" if path else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        (self._target / below).mkdir()
                        waiting.append(below)
                    else:
                        self._entry(below)
        for path in reversed(self._directories):  # times and read-only modes last
            self._settle(path)
        self._made.implied = sorted(self._implied)
        self._made.entries += len(self._implied - {""})
        return self._made

    def _count(self, size: int = 0) -> None:
        self._count_of_all += 1
        self._made.size += size
        if self._count_of_all > self._limits.entries or self._made.size > self._limits.unpacked_bytes:
            raise Unfit("it is larger than a layer may be")

    def _directory(self, path: str) -> None:
        self._count()
        self._directories.append(path)
        if path not in self._named:
            self._implied.add(path)

    def _entry(self, path: str) -> None:
        source, target = self._source / path, self._target / path
        status = source.lstat()
        if stat.S_ISREG(status.st_mode):
            if status.st_nlink > 1 and (first := self._links.setdefault(status.st_ino, path)) != path:
                self._count()
                os.link(self._target / first, target)
                return
            self._count(status.st_size)
            shutil.copyfile(source, target)
        elif stat.S_ISLNK(status.st_mode):
            self._count()
            target.symlink_to(source.readlink())
        elif stat.S_ISFIFO(status.st_mode):
            self._count()
            os.mkfifo(target)
        elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            self._count()
            os.mknod(target, stat.S_IFCHR, 0)
        else:
            raise Unfit(f"{path} is a device or a socket")
        self._settle(path)

    def _settle(self, path: str) -> None:
        source, target = self._source / path, self._target / path
        if path in self._implied:
            target.chmod(0o755)
            return
        for name in os.listxattr(source, follow_symlinks=False):
            if name.startswith(_STEERING):
                self._steered(path, name)
        status = source.lstat()
        if status.st_uid or status.st_gid:
            os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
        shutil.copystat(source, target, follow_symlinks=False)

    def _steered(self, path: str, name: str) -> None:
        if name != _OPAQUE or os.getxattr(self._source / path, name, follow_symlinks=False) != b"y":
            raise Unfit(f"{path} has an attribute {name}")
        self._made.opaque.append(path)
