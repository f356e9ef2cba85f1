"""Loading images from files: ``docker save`` archives (manifest.json) and OCI layouts, as a tar or a directory.

A tar is read twice and never unpacked: first its index (which member lies at which byte), then the members that the images
need, each fed to the same confined unpacking as a download. Standard input is kept in a file without a name meanwhile.
"""

from __future__ import annotations

import asyncio
import io
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from nodeagent.errors import ImageError, InvalidImageName
from nodeagent.facilities import Image, Progress
from nodeagent.images import errors, manifests, reference
from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.disk.state import ImageRecord
from nodeagent.images.flights import in_thread
from nodeagent.images.layers import tarstream
from nodeagent.images.manifests import Config, Descriptor
from nodeagent.images.transfers.pull import Puller, Tracker, Wanted

_CHUNK = 1024 * 1024
_MOST_MEMBERS = 100_000
_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"


Readable = io.RawIOBase | io.BufferedReader


class Files(Protocol):
    """The files of an archive or layout, by their path in it."""

    def close(self) -> None: ...

    def size(self, name: str) -> int | None: ...

    def open_at(self, name: str, start: int) -> Readable: ...


async def load(path: Path | None, shelf: Shelf, puller: Puller, progress: Callable[[Progress], None]) -> list[Image]:
    """Raises `errors.BadImage` for what is neither kind, and everything that unpacking a layer may raise."""
    files = await asyncio.to_thread(_open, path, shelf.home)
    try:
        return await _load(files, _Loader(files, shelf, puller, progress))
    finally:
        files.close()


async def _load(files: Files, loader: _Loader) -> list[Image]:
    if files.size("index.json") is not None and files.size("oci-layout") is not None:
        return await loader.oci_layout()
    if files.size("manifest.json") is not None:
        return await loader.docker_archive()
    raise errors.BadImage(
        "this is neither a 'docker save' archive (no manifest.json) nor an OCI layout (no index.json)"
    )


def _open(path: Path | None, home: Path) -> Files:
    if path is None:
        spool = tempfile.TemporaryFile(dir=home / "partial")  # noqa: SIM115 (lives as long as the load)
        shutil.copyfileobj(sys.stdin.buffer, spool, _CHUNK)
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


@dataclass(frozen=True)
class _LayerFile:
    """Where a layer lies, and what it must be. ``blob`` is empty in docker archives, which promise only the content."""

    file: str
    diff_id: str
    size: int
    blob: str = ""


class _Loader:
    def __init__(self, files: Files, shelf: Shelf, puller: Puller, progress: Callable[[Progress], None]) -> None:
        self._files, self._shelf, self._puller, self._progress = files, shelf, puller, progress
        self._platform = manifests.platform_of(platform.machine())

    # --- docker save

    async def docker_archive(self) -> list[Image]:
        listing = self._json("manifest.json", wrap=True)["list"]
        images = []
        if not isinstance(listing, list) or not listing:
            raise errors.BadImage("manifest.json of the archive lists no image")
        for entry in listing:
            if not isinstance(entry, dict) or not isinstance(entry.get("Layers"), list):
                raise errors.BadImage("manifest.json of the archive is not as 'docker save' writes it")
            images += await self._docker_image(entry)
        return images

    async def _docker_image(self, entry: Mapping[str, Any]) -> list[Image]:
        data = self._read(str(entry.get("Config", "")), manifests.LARGEST_CONFIG)
        names = [str(tag) for tag in entry.get("RepoTags") or []]
        what = names[0] if names else str(entry.get("Config", ""))[:100]
        config = manifests.parse_config(data, what)
        if len(config.diff_ids) != len(entry["Layers"]):
            raise errors.BadImage(f"{what}: manifest.json and config name different numbers of layers")
        layers = [
            _LayerFile(str(file), diff_id, self._size(str(file)))
            for file, diff_id in zip(entry["Layers"], config.diff_ids, strict=True)
        ]
        return await self._bring_in(names, "", data, config, layers, what)

    # --- OCI layout

    async def oci_layout(self) -> list[Image]:
        index = self._json("index.json")
        images = []
        for member in index.get("manifests") or []:
            if isinstance(member, dict):
                images += await self._oci_image(member)
        if not images:
            raise errors.BadImage("the OCI layout has no image")
        return images

    async def _oci_image(self, member: Mapping[str, Any]) -> list[Image]:
        annotations = member.get("annotations")
        annotations = annotations if isinstance(annotations, dict) else {}
        name = str(annotations.get(_FULL_NAME) or annotations.get(_REF_NAME) or "")
        what = name or str(member.get("digest"))[:19]
        digest = str(member.get("digest"))
        document, manifest_digest = self._document(digest, what), digest
        for _ in range(2):
            if manifests.is_index(document):
                manifest_digest = manifests.choose(document, self._platform, what).digest
                document = self._document(manifest_digest, what)
        manifest = manifests.parse(document, what)
        data = self._blob(manifest.config, what)
        config = manifests.parse_config(data, what)
        if len(config.diff_ids) != len(manifest.layers):
            raise errors.BadImage(f"{what}: manifest and config name different numbers of layers")
        layers = [
            _LayerFile(_blob_path(blob.digest), diff_id, blob.size, blob.digest)
            for blob, diff_id in zip(manifest.layers, config.diff_ids, strict=True)
        ]
        return await self._bring_in([name] if name else [], digest, data, config, layers, what, manifest_digest)

    def _document(self, digest: str, what: str) -> dict[str, Any]:
        if not manifests.is_digest(digest):
            raise errors.BadImage(f"{what}: the layout names {digest[:100]!r} where a sha256 digest should be")
        data = self._blob(Descriptor(digest, 0), what)
        self._shelf.put_content(digest, data)
        return manifests.load(data, f"{what}: manifest")

    def _blob(self, blob: Descriptor, what: str) -> bytes:
        data = self._read(_blob_path(blob.digest), manifests.LARGEST_CONFIG)
        if manifests.digest_of(data) != blob.digest:
            raise errors.DigestMismatch(f"{what}: {blob.digest} in the archive has digest {manifests.digest_of(data)}")
        return data

    # --- both

    async def _bring_in(
        self,
        names: list[str],
        digest: str,
        config_data: bytes,
        config: Config,
        layers: list[_LayerFile],
        what: str,
        manifest_digest: str = "",
    ) -> list[Image]:
        tracker = Tracker(what, self._progress, {one.blob or one.diff_id: one.size for one in layers})
        tracker.report()
        for layer in {one.blob or one.diff_id: one for one in layers}.values():
            await self._layer(layer, tracker, what)
        image_id = manifests.digest_of(config_data)
        self._shelf.put_content(image_id, config_data)
        record = self._puller.record(manifest_digest, config)
        found = [parsed for parsed in map(_name, names) if parsed is not None]
        await in_thread(self._shelf.put_image, image_id, record, found, digest)
        shown = [str(name) for name in found] or [image_id]
        return [self._image(name, image_id, digest, record) for name in shown]

    @staticmethod
    def _image(name: str, image_id: str, digest: str, record: ImageRecord) -> Image:
        return Image(name, image_id, digest, record.config, record.layers, record.size_bytes)

    async def _layer(self, layer: _LayerFile, tracker: Tracker, what: str) -> None:
        key = layer.blob or layer.diff_id
        if not self._shelf.read().has_layer(layer.diff_id):
            want = Wanted(f"layer {key[:19]}… of {what}", key, layer.diff_id, layer.blob)
            await self._puller.bring_in(
                want, lambda start: self._chunks(layer.file, start), lambda count: tracker.bytes_of(key, count)
            )
        tracker.finish(key)

    async def _chunks(self, name: str, start: int) -> AsyncIterator[bytes]:
        with self._files.open_at(name, start) as file:
            while data := await in_thread(file.read, _CHUNK):
                yield data

    def _size(self, name: str) -> int:
        size = self._files.size(name)
        if size is None:
            raise errors.BadImage(f"the archive does not have {name[:200]!r}, of which it speaks")
        return size

    def _read(self, name: str, most: int) -> bytes:
        if self._size(name) > most:
            raise errors.BadImage(f"{name[:200]!r} in the archive is larger than {most} bytes")
        with self._files.open_at(name, 0) as file:
            return b"".join(iter(lambda: file.read(_CHUNK) or b"", b""))

    def _json(self, name: str, *, wrap: bool = False) -> dict[str, Any]:
        data = self._read(name, manifests.LARGEST_MANIFEST)
        return manifests.load(b'{"list":' + data + b"}" if wrap else data, name)


def _blob_path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _name(text: str) -> reference.Reference | None:
    """A tag alone (``latest``), as some tools write into OCI layouts, names nothing that could be run."""
    if "/" not in text and ":" not in text:
        return None
    try:
        return reference.parse(text)
    except (InvalidImageName, ImageError):
        return None
