"""What images and layers are here: one small JSON file, replaced as a whole under a lock.

Readers look at the file's inode and read it again only when that changed: finding an image costs one stat. The file is
the truth about references, images and layers; a directory that it does not name is rubbish.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nodeagent.facilities import Image, ImageConfig
from nodeagent.images.disk import locks

VERSION = 1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
T = TypeVar("T")


@dataclass(frozen=True)
class LayerRecord:
    """A layer that is unpacked in ``layers/<directory>``."""

    directory: str
    size_bytes: int
    entries: int
    boot_id: str = ""
    """Of the boot that unpacked it, until its files are known to be on the disk: after a power cut it is not trusted."""


@dataclass(frozen=True)
class ImageRecord:
    """By image id (digest of the config)."""

    manifest: str
    config: ImageConfig
    layers: Sequence[str]
    """Diff ids, lowest first."""
    size_bytes: int
    pulled_at: float
    overlay: str = ""
    """Directory of the layer that gives implied directories their owners and modes; none for most images."""


@dataclass(frozen=True)
class ReferenceRecord:
    image_id: str
    digest: str
    implied: bool = False
    """A digest that came along with a tag, not asked for by anyone: it finds the image, but does not keep it."""
    access: str = ""
    """Who may have it from this node (`peers.access`)."""


@dataclass(frozen=True)
class State:
    references: Mapping[str, ReferenceRecord] = field(default_factory=dict)
    images: Mapping[str, ImageRecord] = field(default_factory=dict)
    layers: Mapping[str, LayerRecord] = field(default_factory=dict)
    next_number: int = 0

    def image(self, reference: str) -> Image | None:
        found = self.references.get(reference)
        record = self.images.get(found.image_id) if found else None
        if found is None or record is None or not all(self.has_layer(layer) for layer in record.layers):
            return None
        return Image(reference, found.image_id, found.digest, record.config, record.layers, record.size_bytes)

    def has_layer(self, diff_id: str) -> bool:
        record = self.layers.get(diff_id)
        return record is not None and record.boot_id in ("", boot_id())

    def directories(self, record: ImageRecord) -> list[str]:
        """Names below ``layers/``, lowest first."""
        found = [self.layers[diff_id].directory for diff_id in record.layers]
        return [*found, record.overlay] if record.overlay else found

    def names_of(self, image_id: str) -> list[str]:
        return sorted(name for name, record in self.references.items() if record.image_id == image_id)


@functools.cache
def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def short_name(number: int) -> str:
    """Layers' directories have names as short as can be: 500 of them must fit the 4 KiB of a mount's options."""
    text = ""
    while True:
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
        if not number:
            return text


class _Read:
    """A state as it was read, with the file kept open: so long no other file has its inode, which tells it from later ones."""

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.inode = status.st_ino
        self.state = _decode(json.loads(os.pread(self._descriptor, status.st_size, 0)))

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class StateFile:
    """May be used from several threads: what was read is remembered in one assignment."""

    def __init__(self, home: Path) -> None:
        self._path = home / "state.json"
        self._lock = home / "state.lock"
        self._read: _Read | None = None

    def read(self) -> State:
        try:
            inode = os.stat(self._path).st_ino  # noqa: PTH116 (the hot path of find)
        except FileNotFoundError:
            return State()
        known = self._read
        if known is None or known.inode != inode:
            known = self._read = _Read(self._path)
        return known.state

    def change(self, how: Callable[[State], State]) -> State:
        """Read, change and write under the lock; other processes wait their turn. Durable when it returns."""
        with locks.exclusive(self._lock):
            before = self.read()
            after = how(before)
            if after != before:
                self._write(after)
            return after

    def _write(self, state: State) -> None:
        fresh = self._path.with_suffix(".new")
        with open(fresh, "wb", opener=_private) as file:
            file.write(json.dumps(_encode(state), separators=(",", ":")).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _encode(state: State) -> dict[str, Any]:
    def plain(records: Mapping[str, Any]) -> dict[str, Any]:
        return {key: dict(vars(record)) for key, record in records.items()}

    images = plain(state.images)
    for image in images.values():
        image["config"] = dict(vars(image["config"]))
    return {
        "version": VERSION,
        "next_number": state.next_number,
        "references": plain(state.references),
        "images": images,
        "layers": plain(state.layers),
    }


def _decode(document: dict[str, Any]) -> State:
    images = {}
    for key, record in document["images"].items():
        config: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in record["config"].items()
        }
        images[key] = ImageRecord(**{**record, "config": ImageConfig(**config), "layers": tuple(record["layers"])})
    return State(
        references={key: ReferenceRecord(**record) for key, record in document["references"].items()},
        images=images,
        layers={key: LayerRecord(**record) for key, record in document["layers"].items()},
        next_number=document["next_number"],
    )


def without(records: Mapping[str, T], keys: set[str]) -> dict[str, T]:
    return {key: record for key, record in records.items() if key not in keys}
