"""What the registry has on disk, read and changed in distribution's own layout (``filesystem`` driver, version 2):

```
docker/registry/v2/blobs/sha256/ab/abcdef…/data
docker/registry/v2/repositories/<name>/_layers/sha256/<digest>/link
                                      /_manifests/revisions/sha256/<digest>/link
                                      /_manifests/tags/<tag>/current/link      and /index/sha256/<digest>/link
                                      /_uploads/<uuid>/…
trash/<digest>/data                     ours: blobs on their way out
```

The registry remembers nothing (`config`), so what is changed here holds at its next request. A link is read as the registry
reads it: it exists when the file is there and whole. Whatever vanishes while it is read was not there.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controlplane.registry import manifests, names

_V2 = Path("docker") / "registry" / "v2"
_OWN = frozenset({"_layers", "_manifests", "_uploads"})


@dataclass(frozen=True)
class Tag:
    name: str
    digest: str
    pushed: float
    """Unix time at which it came to mean this."""


@dataclass(frozen=True)
class Blob:
    digest: str
    size: int
    written: float


class Storage:
    def __init__(self, root: Path) -> None:
        self.root = root
        self._repositories = root / _V2 / "repositories"
        self._blobs = root / _V2 / "blobs" / "sha256"
        self.trash = root / "trash"

    # Reading

    def repositories(self, namespace: str = "") -> Iterator[str]:
        """All that have ever held something, or those of a namespace."""
        start = self._repositories / namespace
        for directory, below, _ in os.walk(start):
            if _OWN & set(below):
                yield str(Path(directory).relative_to(self._repositories))
            below[:] = [name for name in below if name not in _OWN]

    def exists(self, repository: str) -> bool:
        return (self._repository(repository) / "_manifests").is_dir()

    def tags(self, repository: str) -> list[Tag]:
        found = []
        for name in _listed(self._repository(repository) / "_manifests" / "tags"):
            tag = self.tag(repository, name)
            if tag is not None:
                found.append(tag)
        return found

    def tag(self, repository: str, name: str) -> Tag | None:
        if not names.is_tag(name):
            return None
        link = self._tag(repository, name) / "current" / "link"
        digest = _read_link(link)
        return Tag(name, digest, _mtime(link)) if digest else None

    def revisions(self, repository: str) -> dict[str, float]:
        """Manifests of the repository, tagged or not, with the time at which each was pushed."""
        return self._links(self._repository(repository) / "_manifests" / "revisions" / "sha256")

    def layers(self, repository: str) -> dict[str, float]:
        return self._links(self._repository(repository) / "_layers" / "sha256")

    def uploads_touched(self, repository: str) -> float:
        """When something was last written to an upload of the repository that goes on; 0 without one."""
        latest = 0.0
        directory = self._repository(repository) / "_uploads"
        for upload in _listed(directory):
            times = [_mtime(directory / upload / name) for name in _listed(directory / upload)]
            latest = max([latest, _mtime(directory / upload), *times])
        return latest

    def manifest(self, digest: str) -> bytes:
        """Empty where it is not there."""
        return self._read_blob(digest, manifests.LARGEST)

    def config(self, digest: str) -> bytes:
        return self._read_blob(digest, manifests.LARGEST)

    def size(self, digest: str) -> int:
        try:
            return self._data(digest).stat().st_size
        except OSError:
            return 0

    def blobs(self) -> Iterator[Blob]:
        for prefix in _listed(self._blobs):
            for name in _listed(self._blobs / prefix):
                digest = f"sha256:{name}"
                if names.is_digest(digest):
                    with suppress(OSError):
                        status = (self._blobs / prefix / name / "data").stat()
                        yield Blob(digest, status.st_size, status.st_mtime)

    def linked(self) -> set[str]:
        """Digests that some repository has, as manifest or as layer."""
        found: set[str] = set()
        for repository in self.repositories():
            found.update(self.revisions(repository), self.layers(repository))
        return found

    def free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self.root).free
        except OSError:
            return 0

    # Changing. Every step leaves what the registry can serve or does not find: nothing half.

    def untag(self, repository: str, name: str) -> bool:
        return _remove(self._tag(repository, name), self.trash)

    def untag_all(self, repository: str) -> None:
        for tag in _listed(self._repository(repository) / "_manifests" / "tags"):
            self.untag(repository, tag)

    def remove_revision(self, repository: str, digest: str) -> None:
        """The manifest is not the repository's any more; then what tags remember of it goes."""
        hexadecimal = _hexadecimal(digest)
        base = self._repository(repository) / "_manifests"
        _remove(base / "revisions" / "sha256" / hexadecimal, self.trash)
        for tag in _listed(base / "tags"):
            _remove(base / "tags" / tag / "index" / "sha256" / hexadecimal, self.trash)

    def remove_layer(self, repository: str, digest: str) -> None:
        _remove(self._repository(repository) / "_layers" / "sha256" / _hexadecimal(digest), self.trash)

    def remove_if_empty(self, repository: str) -> None:
        """The directories of a repository that holds nothing, its parents too."""
        directory = self._repository(repository)
        if self.revisions(repository) or self.layers(repository) or _listed(directory / "_uploads"):
            return
        _remove(directory / "_manifests", self.trash)
        for name in _OWN:
            shutil.rmtree(directory / name, ignore_errors=True)
        while directory != self._repositories:
            try:
                directory.rmdir()
            except OSError:
                return
            directory = directory.parent

    def set_aside(self, digest: str) -> bool:
        """Take a blob out of the registry in one step, so that it can come back."""
        return _remove(self._data(digest).parent, self.trash, name=_hexadecimal(digest), keep=True)

    def aside(self) -> Iterator[Blob]:
        for name in _listed(self.trash):
            digest = f"sha256:{name}"
            if names.is_digest(digest):
                with suppress(OSError):
                    status = (self.trash / name / "data").stat()
                    yield Blob(digest, status.st_size, status.st_mtime)

    def bring_back(self, digest: str) -> None:
        """Unless it was uploaded again meanwhile."""
        target = self._data(digest).parent
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            (self.trash / _hexadecimal(digest)).rename(target)
        except OSError:
            self.drop(digest)

    def drop(self, digest: str) -> None:
        shutil.rmtree(self.trash / _hexadecimal(digest), ignore_errors=True)

    def empty_trash(self) -> None:
        """What was removed by halves when somebody was killed; blobs are `aside`'s business."""
        for name in _listed(self.trash):
            if not names.is_digest(f"sha256:{name}"):
                shutil.rmtree(self.trash / name, ignore_errors=True)

    # Places

    def _repository(self, name: str) -> Path:
        if not names.is_repository(name):
            raise ValueError(f"{name!r} is no repository")
        return self._repositories / name

    def _tag(self, repository: str, name: str) -> Path:
        return self._repository(repository) / "_manifests" / "tags" / name

    def _data(self, digest: str) -> Path:
        hexadecimal = _hexadecimal(digest)
        return self._blobs / hexadecimal[:2] / hexadecimal / "data"

    def _read_blob(self, digest: str, most: int) -> bytes:
        try:
            with self._data(digest).open("rb") as file:
                return file.read(most)
        except OSError:
            return b""

    def _links(self, directory: Path) -> dict[str, float]:
        found = {}
        for name in _listed(directory):
            digest, moment = f"sha256:{name}", _mtime(directory / name / "link")
            if moment and names.is_digest(digest):
                found[digest] = moment
        return found


def _remove(directory: Path, trash: Path, *, name: str = "", keep: bool = False) -> bool:
    """By a rename: the registry sees all of it or nothing."""
    trash.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = trash / (name or f"{os.getpid()}-{time.monotonic_ns()}")
    if keep:
        shutil.rmtree(target, ignore_errors=True)
    try:
        directory.rename(target)
    except OSError:
        return False
    if not keep:
        shutil.rmtree(target, ignore_errors=True)
    return True


def _hexadecimal(digest: str) -> str:
    if not names.is_digest(digest):
        raise ValueError(f"{digest!r} is no digest")
    return digest.removeprefix("sha256:")


def _listed(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names only, many of them
    except OSError:
        return []


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read_link(path: Path) -> str:
    try:
        digest = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return digest if names.is_digest(digest) else ""
