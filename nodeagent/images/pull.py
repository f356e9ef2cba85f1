"""Pulling one image: manifest, config, then all its layers at once, each downloaded and unpacked in one stream."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from nodeagent.facilities import Credentials, Image, Progress
from nodeagent.images import errors, layers, locks, manifests
from nodeagent.images.flights import Flights, all_or_first_error, in_thread
from nodeagent.images.manifests import Config, Descriptor, Manifest
from nodeagent.images.own import OwnRegistry
from nodeagent.images.reference import Reference
from nodeagent.images.registry import RegistryClient, Repository
from nodeagent.images.settings import ImageSettings
from nodeagent.images.shelf import Shelf
from nodeagent.images.state import ImageRecord

_PROGRESS_SECONDS = 0.1
_WORTH_RESUMING = (errors.RegistryUnreachable, errors.RegistryFault, errors.RateLimited, errors.Unauthorised)
_FINAL = (errors.DigestMismatch, errors.HostileLayer, errors.BadImage, errors.StoreError)
Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Resolved:
    """What a reference means right now."""

    reference: Reference
    repository: Repository
    digest: str
    """Of what the reference named: index or manifest."""
    manifest_digest: str
    manifest: Manifest


@dataclass
class Tracker:
    """Adds up the progress of an image's layers. Told at most ten times a second, and when a layer is done."""

    reference: str
    tell: Tell
    sizes: Mapping[str, int]
    """Blob digest to size."""
    got: dict[str, int] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    _told_at: float = 0.0

    def bytes_of(self, digest: str, count: int) -> None:
        self.got[digest] = count
        if time.monotonic() - self._told_at >= _PROGRESS_SECONDS:
            self.report()

    def finish(self, digest: str) -> None:
        self.done.add(digest)
        self.got[digest] = self.sizes[digest]
        self.report()

    def report(self) -> None:
        self._told_at = time.monotonic()
        self.tell(
            Progress(
                self.reference,
                layers_done=len(self.done),
                layers_total=len(self.sizes),
                bytes_done=sum(self.got.values()),
                bytes_total=sum(self.sizes.values()),
            )
        )


class Puller:
    def __init__(self, shelf: Shelf, settings: ImageSettings) -> None:
        self._shelf, self._settings = shelf, settings
        self._registry = RegistryClient(settings)
        self._platform = manifests.platform_of(platform.machine())
        self._layers: Flights[int] = Flights("layer")
        self._slots = asyncio.Semaphore(settings.parallel_layers)

    async def close(self) -> None:
        await self._registry.close()

    def use_registry(self, own: OwnRegistry | None) -> None:
        """The cluster's own registry, from now on."""
        self._registry.use(own)

    async def pull(self, reference: Reference, credentials: Mapping[str, Credentials], tell: Tell) -> Image:
        resolved = await self._resolve(reference, credentials)
        image_id = resolved.manifest.config.digest
        known = self._shelf.read().images.get(image_id)
        if known is None or not all(self._shelf.read().has_layer(one) for one in known.layers):
            known = await self._fetch(resolved, tell)
        await in_thread(self._shelf.put_image, image_id, known, [reference], resolved.digest)
        return Image(str(reference), image_id, resolved.digest, known.config, known.layers, known.size_bytes)

    async def _resolve(self, reference: Reference, credentials: Mapping[str, Credentials]) -> Resolved:
        repository, data, digest = await self._registry.manifest(reference, credentials)
        what = str(reference)
        document = manifests.load(data, f"{what}: manifest")
        depth = 0
        while manifests.is_index(document):
            depth += 1
            if depth > 2:
                raise errors.BadImage(f"{what} is an index of indexes of indexes")
            chosen = manifests.choose(document, self._platform, what)
            data = await self._registry.document(repository, chosen.digest)
            document = manifests.load(data, f"{what}: manifest")
        manifest_digest = manifests.digest_of(data)
        parsed = manifests.parse(document, what)
        await in_thread(self._shelf.put_content, manifest_digest, data)
        return Resolved(reference, repository, digest, manifest_digest, parsed)

    async def _fetch(self, resolved: Resolved, tell: Tell) -> ImageRecord:
        config = await self._config(resolved)
        blobs = resolved.manifest.layers
        tracker = Tracker(str(resolved.reference), tell, {blob.digest: blob.size for blob in blobs})
        tracker.report()
        pairs = dict(zip((blob.digest for blob in blobs), zip(blobs, config.diff_ids, strict=True), strict=True))
        try:
            await all_or_first_error(
                [self._layer(resolved, blob, diff_id, tracker) for blob, diff_id in pairs.values()]
            )
        except _FINAL:
            # One layer spoils the image: the others' half-done downloads are of no use to anyone.
            await in_thread(self._shelf.drop_partials, list(pairs))
            raise
        return self.record(resolved.manifest_digest, config)

    def record(self, manifest_digest: str, config: Config) -> ImageRecord:
        present = self._shelf.read().layers
        size = sum(present[one].size_bytes for one in set(config.diff_ids) if one in present)
        return ImageRecord(manifest_digest, config.run, tuple(config.diff_ids), size, time.time())

    async def _config(self, resolved: Resolved) -> Config:
        what = str(resolved.reference)
        data = await self._registry.small_blob(resolved.repository, resolved.manifest.config)
        config = manifests.parse_config(data, what)
        if len(config.diff_ids) != len(resolved.manifest.layers):
            raise errors.BadImage(
                f"{what}: the config tells of {len(config.diff_ids)} layers, the manifest of {len(resolved.manifest.layers)}"
            )
        await in_thread(self._shelf.put_content, resolved.manifest.config.digest, data)
        return config

    async def _layer(self, resolved: Resolved, blob: Descriptor, diff_id: str, tracker: Tracker) -> None:
        if not self._shelf.read().has_layer(diff_id):

            def feed_from(start: int) -> AsyncIterator[bytes]:
                return self._registry.blob(resolved.repository, blob, start)

            name = f"layer {blob.digest[:19]}… of {resolved.reference}"
            want = Wanted(name, blob.digest, diff_id, blob.digest)

            async def work(tell: Callable[[int], None]) -> None:
                async with self._slots:
                    await self.bring_in(want, feed_from, tell)

            await self._layers.join((blob.digest, diff_id), work, lambda count: tracker.bytes_of(blob.digest, count))
        tracker.finish(blob.digest)

    async def bring_in(self, want: Wanted, feed: layers.Feed, tell: Callable[[int], None]) -> None:
        """Have the layer in the store. Waits for another process that is at it already."""
        path = self._shelf.partial(want.key)
        async with locks.owned_file(path) as partial:
            keep = False
            try:
                if not self._shelf.read().has_layer(want.diff_id):
                    await self._try_twice(want, feed, tell, partial)
            except (*_WORTH_RESUMING, asyncio.CancelledError):
                keep = os.fstat(partial).st_size > 0
                raise
            finally:
                if not keep:
                    path.unlink(missing_ok=True)

    async def _try_twice(self, want: Wanted, feed: layers.Feed, tell: Callable[[int], None], partial: int) -> None:
        resumed = os.fstat(partial).st_size > 0
        try:
            await self._unpack(want, feed, tell, partial)
        except (errors.DigestMismatch, errors.BadImage):
            if not resumed:
                raise
            # What an earlier try left behind may itself be what is wrong: once more from the beginning.
            os.ftruncate(partial, 0)
            await self._unpack(want, feed, tell, partial)

    async def _unpack(self, want: Wanted, feed: layers.Feed, tell: Callable[[int], None], partial: int) -> None:
        try:
            staging = await in_thread(self._shelf.stage, want.key)
            made = await layers.unpack(
                lambda start: _counted(feed(start), start, tell),
                staging,
                limits=self._settings.limits,
                partial=partial if want.blob else -1,
                name=want.name,
            )
            want.check(made)
            await in_thread(self._shelf.put_layer, want.key, made)
        finally:
            await in_thread(self._shelf.drop_stage, want.key)


async def _counted(chunks: AsyncIterator[bytes], start: int, tell: Callable[[int], None]) -> AsyncIterator[bytes]:
    count = start
    async for chunk in chunks:
        count += len(chunk)
        tell(count)
        yield chunk


@dataclass(frozen=True)
class Wanted:
    """A layer to bring in. ``blob`` is the digest of its compressed bytes, empty where nobody promised one."""

    name: str
    key: str
    """Under which it is worked on, hexadecimal or a digest."""
    diff_id: str
    blob: str = ""

    def check(self, made: layers.Unpacked) -> None:
        if self.blob and made.digest != self.blob:
            raise errors.DigestMismatch(f"{self.name}: what came has digest {made.digest}, not {self.blob}")
        if made.diff_id != self.diff_id:
            raise errors.DigestMismatch(
                f"{self.name}: it unpacks to {made.diff_id}, but the image's config says {self.diff_id}"
            )
