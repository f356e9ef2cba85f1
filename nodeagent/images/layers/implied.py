"""Owners and modes of directories that a layer holds without an entry of their own.

A layer with ``tmp/x`` but no ``tmp/`` means the ``tmp`` of the layers below, mode 1777 and all. Layers are unpacked
independently of each other and shared between images, so the directory that had to be made says root and 0755, and in
overlayfs the uppermost says what is so. Where that differs from what a lower layer says, the image gets one more layer,
which holds just those directories, made right. Nearly all images need none.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nodeagent import kernel


@dataclass(frozen=True)
class Layer:
    """An unpacked layer: where, and which directories it merely implies."""

    directory: Path
    implied: frozenset[str]


@dataclass(frozen=True)
class Attributes:
    mode: int
    owner: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...] = ()


PLAIN = Attributes(0o755, (0, 0))


def corrections(layers: Sequence[Layer]) -> dict[str, Attributes]:
    """Path to attributes of each directory that must be made right (with the parents on the way to it).

    ``layers`` lowest first.
    """
    wrong = {}
    for path in sorted(set().union(*(layer.implied for layer in layers))):
        meant = _meant(layers, path)
        if meant is not None and meant != PLAIN:
            wrong[path] = meant
    for path in list(wrong):
        for parent in _parents(path):
            wrong.setdefault(parent, _meant(layers, parent, explicit_too=True) or PLAIN)
    return dict(sorted(wrong.items()))


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1] if path else []
    return ["/".join(parts[:count]) for count in range(len(parts) + 1)] if path else []


def _meant(layers: Sequence[Layer], path: str, *, explicit_too: bool = False) -> Attributes | None:
    """What the uppermost layer with an entry for the directory says; None where an implied one does not stand above it."""
    implied_above = explicit_too
    for layer in reversed(layers):
        found = _attributes(layer.directory, path)
        if found is None:
            if _ends_here(layer.directory, path):
                return None
            continue
        if path not in layer.implied:
            return found if implied_above else None
        implied_above = True
    return None


def _attributes(directory: Path, path: str) -> Attributes | None:
    try:
        descriptor = _open(directory, path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        names = [name for name in os.listxattr(descriptor) if not name.startswith("trusted.")]
        xattrs = tuple((name, os.getxattr(descriptor, name)) for name in names)
        return Attributes(stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid), xattrs)
    finally:
        os.close(descriptor)


def _ends_here(directory: Path, path: str) -> bool:
    """Whether the layer has something else there (a whiteout, a file): what is below it does not count."""
    try:
        os.close(_open(directory, path, os.O_PATH | os.O_NOFOLLOW))
    except OSError:
        return False
    return True


def _open(directory: Path, path: str, flags: int) -> int:
    return kernel.open_beneath(directory, path, flags, resolve=kernel.RESOLVE_NO_SYMLINKS)


def build(target: Path, wanted: dict[str, Attributes]) -> None:
    """Make the correcting layer in the empty directory ``target``. Parents sort before what they hold."""
    for path, attributes in wanted.items():
        made = target / path if path else target
        made.mkdir(exist_ok=True)
        os.chown(made, *attributes.owner)
        made.chmod(attributes.mode)
        for name, value in attributes.xattrs:
            os.setxattr(made, name, value)
