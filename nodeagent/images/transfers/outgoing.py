"""Images on their way out: pushed to a registry (distribution's API), or saved as an OCI layout.

Manifest, configuration and layers go out as they came in, byte by byte, so an image has the same digest wherever it goes. A
layer whose compressed form was not kept is fetched once more from where the image came from.
"""

from __future__ import annotations

import functools
import json
import tarfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

from nodeagent.facilities import Credentials, Progress
from nodeagent.images import errors, manifests, reference
from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.flights import in_thread
from nodeagent.images.manifests import Descriptor, Manifest
from nodeagent.images.reference import Reference
from nodeagent.images.registry.answers import Repository
from nodeagent.images.registry.client import RegistryClient
from nodeagent.images.registry.credentials import for_repository

_CHUNK = 1024 * 1024
_OCI = "application/vnd.oci.image.manifest.v1+json"

Fetch = Callable[[Reference, Descriptor, Mapping[str, Credentials]], Coroutine[Any, Any, Path]]


class Outgoing:
    def __init__(self, shelf: Shelf, fetch: Fetch) -> None:
        self._shelf = shelf
        self._fetch = fetch

    def _manifest(self, image_id: str) -> tuple[bytes, Manifest, Reference]:
        """With a name by which its registry knows it."""
        state = self._shelf.read()
        record, names = state.images[image_id], state.names_of(image_id)
        name = next((each for each in names if "@" in each), names[0] if names else "")
        if not record.manifest or not name:
            raise errors.BadImage("it has no manifest or no name here: load it once more, or give it a name")
        data = self._read(record.manifest, "manifest")
        return data, manifests.parse(manifests.load(data, "the manifest"), name), reference.parse(name)

    def _read(self, digest: str, what: str) -> bytes:
        try:
            return self._shelf.content(digest).read_bytes()
        except FileNotFoundError:
            raise errors.BadImage(f"its {what} was not kept; pull it again") from None

    # Push

    async def push(
        self,
        registry: RegistryClient,
        image_id: str,
        target: Reference,
        credentials: Mapping[str, Credentials],
        tell: Callable[[Progress], None],
    ) -> str:
        data, manifest, source = await in_thread(self._manifest, image_id)
        config = await in_thread(self._read, manifest.config.digest, "configuration")
        login = for_repository(credentials, target.host, target.repository)
        to = registry.target(target, login)
        total = sum(layer.size for layer in manifest.layers)
        done = 0
        for number, layer in enumerate(manifest.layers):
            if not await _has(registry, to, layer.digest):
                path = await self._fetch(source, layer, credentials)
                await _upload(registry, to, layer, functools.partial(_chunks, path))
            done += layer.size
            tell(Progress(str(target), number + 1, len(manifest.layers), done, total))
        if not await _has(registry, to, manifest.config.digest):
            await _upload(registry, to, Descriptor(manifest.config.digest, len(config)), config)
        media_type = json.loads(data).get("mediaType") or _OCI
        async with AsyncExitStack() as stack:
            path_of = f"/v2/{target.repository}/manifests/{target.selector}"
            await registry.put(stack, to, "PUT", path_of, {"Content-Type": media_type}, data)
        return manifests.digest_of(data)

    # Save

    async def save(self, image_id: str, file: BinaryIO, credentials: Mapping[str, Credentials]) -> None:
        data, manifest, source = await in_thread(self._manifest, image_id)
        config = await in_thread(self._read, manifest.config.digest, "configuration")
        names = [each for each in self._shelf.read().names_of(image_id) if "@" not in each]
        paths = {layer.digest: await self._fetch(source, layer, credentials) for layer in manifest.layers}
        await in_thread(_write, file, data, config, paths, names)


def _write(file: BinaryIO, manifest: bytes, config: bytes, layers: Mapping[str, Path], names: list[str]) -> None:
    described = {
        "mediaType": json.loads(manifest).get("mediaType") or _OCI,
        "digest": manifests.digest_of(manifest),
        "size": len(manifest),
    }
    named = [{**described, "annotations": {"io.containerd.image.name": name, _REF_NAME: name}} for name in names]
    index = json.dumps({"schemaVersion": 2, "manifests": named or [described]}).encode()
    with tarfile.open(fileobj=file, mode="w|") as archive:
        for name, data in (("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index)):
            _add(archive, name, BytesIO(data), len(data))
        for data in (manifest, config):
            _add(archive, _blob(manifests.digest_of(data)), BytesIO(data), len(data))
        for digest, path in layers.items():
            with path.open("rb") as content:
                _add(archive, _blob(digest), content, path.stat().st_size)


_REF_NAME = "org.opencontainers.image.ref.name"


def _add(archive: tarfile.TarFile, name: str, content: Any, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


async def _has(registry: RegistryClient, to: Repository, digest: str) -> bool:
    async with AsyncExitStack() as stack:
        answer = await registry.put(stack, to, "HEAD", f"/v2/{to.reference.repository}/blobs/{digest}", {})
        return answer.status_code == 200


async def _upload(
    registry: RegistryClient, to: Repository, blob: Descriptor, content: Callable[[], AsyncIterator[bytes]] | bytes
) -> None:
    async with AsyncExitStack() as stack:
        begun = await registry.put(stack, to, "POST", f"/v2/{to.reference.repository}/blobs/uploads/", {})
        location = begun.headers.get("location", "")
    joint = "&" if "?" in location else "?"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(blob.size)}
    async with AsyncExitStack() as stack:
        target = location + joint + urlencode({"digest": blob.digest})
        await registry.put(stack, to, "PUT", target, headers, content)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := await in_thread(file.read, _CHUNK):
            yield data
