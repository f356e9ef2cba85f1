"""Loading images from files: ``docker save`` archives (manifest.json) and OCI layouts, as a tar or a directory.

A tar is read twice and never unpacked: first its index (which member lies at which byte), then the members that the images
need, each fed to the same confined unpacking as a download. Standard input is kept in a file without a name meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.errors import ImageError, InvalidImageName
from nodeagent.facilities import Image, Progress
from nodeagent.images import errors, manifests, reference
from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.disk.state import ImageRecord
from nodeagent.images.flights import in_thread
from nodeagent.images.layers import inflate
from nodeagent.images.manifests import Config, Descriptor
from nodeagent.images.transfers import archive_files
from nodeagent.images.transfers.pull import Puller, Tracker, Wanted

_REF_NAME = "org.opencontainers.image.ref.name"
_FULL_NAME = "io.containerd.image.name"


async def load(path: Path | None, shelf: Shelf, puller: Puller, progress: Callable[[Progress], None]) -> list[Image]:
    """Raises `errors.BadImage` for what is neither kind, and everything that unpacking a layer may raise."""
    files = await asyncio.to_thread(archive_files.opened, path, shelf.home)
    try:
        return await _load(files, _Loader(files, shelf, puller, progress))
    finally:
        files.close()


async def _load(files: archive_files.Files, loader: _Loader) -> list[Image]:
    if files.size("index.json") is not None and files.size("oci-layout") is not None:
        return await loader.oci_layout()
    if files.size("manifest.json") is not None:
        return await loader.docker_archive()
    raise errors.BadImage(
        "this is neither a 'docker save' archive (no manifest.json) nor an OCI layout (no index.json)"
    )


@dataclass(frozen=True)
class _LayerFile:
    """Where a layer lies, and what it must be."""

    file: str
    diff_id: str
    blob: Descriptor


class _Loader:
    def __init__(
        self, files: archive_files.Files, shelf: Shelf, puller: Puller, progress: Callable[[Progress], None]
    ) -> None:
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
            await in_thread(self._docker_layer, str(file), diff_id)
            for file, diff_id in zip(entry["Layers"], config.diff_ids, strict=True)
        ]
        manifest = manifests.made(data, [layer.blob for layer in layers])
        digest = manifests.digest_of(manifest)
        await in_thread(self._shelf.put_content, digest, manifest)
        return await self._bring_in(names, digest, data, config, layers, what, digest)

    def _docker_layer(self, name: str, diff_id: str) -> _LayerFile:
        """The archive promises only the content of a layer; it is mostly not compressed, and then the file is the content."""
        size = self._size(name)
        with self._files.open_at(name, 0) as file:
            kind = inflate.kind_of(file.read(4) or b"")
        if kind == "none":
            return _LayerFile(name, diff_id, Descriptor(diff_id, size, manifests.LAYER))
        digest = hashlib.sha256()
        with self._files.open_at(name, 0) as file:
            while data := file.read(archive_files.CHUNK):
                digest.update(data)
        return _LayerFile(name, diff_id, Descriptor(f"sha256:{digest.hexdigest()}", size, f"{manifests.LAYER}+{kind}"))

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
            _LayerFile(_blob_path(blob.digest), diff_id, blob)
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
        manifest_digest: str,
    ) -> list[Image]:
        tracker = Tracker(what, self._progress, {one.blob.digest: one.blob.size for one in layers})
        tracker.report()
        for layer in {one.blob.digest: one for one in layers}.values():
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
        blob = layer.blob.digest
        want = Wanted(f"layer {blob[:19]}… of {what}", blob, layer.diff_id, blob)
        if not self._shelf.read().has_layer(layer.diff_id):
            await self._puller.bring_in(
                want, lambda start: self._chunks(layer.file, start), lambda count: tracker.bytes_of(blob, count)
            )
        elif self._puller.keeps_blobs:
            await self._puller.keep(want, self._chunks(layer.file, 0))
        tracker.finish(blob)

    async def _chunks(self, name: str, start: int) -> AsyncIterator[bytes]:
        with self._files.open_at(name, start) as file:
            while data := await in_thread(file.read, archive_files.CHUNK):
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
            return b"".join(iter(lambda: file.read(archive_files.CHUNK) or b"", b""))

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
