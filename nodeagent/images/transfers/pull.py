"""Pulling one image: manifest, config, then all its layers at once, each downloaded and unpacked in one stream."""

from __future__ import annotations

import asyncio
import hashlib
import os
import platform
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from nodeagent.facilities import Credentials, Image, Progress
from nodeagent.images import errors, manifests
from nodeagent.images.disk import locks
from nodeagent.images.disk.shelf import Shelf
from nodeagent.images.disk.state import ImageRecord
from nodeagent.images.flights import Flights, all_or_first_error, in_thread
from nodeagent.images.layers import copying, unpacking
from nodeagent.images.manifests import Config, Descriptor, Manifest
from nodeagent.images.peers import access
from nodeagent.images.peers.client import Client
from nodeagent.images.peers.offers import Growing, Offers
from nodeagent.images.reference import Reference
from nodeagent.images.registry.answers import Repository
from nodeagent.images.registry.client import RegistryClient
from nodeagent.images.registry.credentials import for_repository
from nodeagent.images.registry.own import OwnRegistry
from nodeagent.images.settings import ImageSettings
from nodeagent.images.transfers.documents import Documents
from nodeagent.images.transfers.fetch import Fetch
from nodeagent.images.transfers.outgoing import Outgoing
from nodeagent.images.transfers.signatures import Verifier
from nodeagent.tasks import Tasks

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
    data: bytes
    """The manifest as it came."""
    is_registry_away: bool = False
    """It could not be reached, and the manifest came from another node."""


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
        self._verifier = Verifier(self._registry, shelf.home / "signed")
        self._platform = manifests.platform_of(platform.machine())
        self._layers: Flights[int] = Flights("layer")
        self._slots = asyncio.Semaphore(settings.parallel_layers)
        self._telling = Tasks("pull")
        self.offers = Offers(shelf.home)
        self.peers: Client | None = None
        """Other nodes, where there are any to ask."""
        self.keeps_blobs = False
        """Even where nobody asks for them: they can be saved and pushed."""

    async def close(self) -> None:
        await self._telling.close()
        await self._registry.close()

    async def verify(
        self, reference: Reference, digest: str, keys: str, credentials: Mapping[str, Credentials]
    ) -> None:
        await self._verifier.verify(reference, digest, keys, credentials)

    async def blob(self, reference: Reference, blob: Descriptor, credentials: Mapping[str, Credentials]) -> Path:
        """The file of a layer as it came, fetched again where it was not kept. Raises what a pull does."""
        kept = self._shelf.blob(blob.digest)
        if await in_thread(kept.exists):
            return kept
        want = Wanted(f"layer {blob.digest[:19]}… of {reference}", blob.digest, "", blob.digest)
        try:
            repository, _, _ = await self._registry.manifest(reference, credentials)
            return await self.keep(want, self._registry.blob(repository, blob, 0))
        except (*_WORTH_RESUMING, errors.NotFound) as error:
            raise type(error)(f"{want.name} was not kept as it came, and is not to be had again: {error}") from None

    async def keep(self, want: Wanted, chunks: AsyncIterator[bytes]) -> Path:
        """The file of a layer as it comes, beside what is unpacked."""
        kept, path = self._shelf.blob(want.blob), self._shelf.partial(want.key)
        async with locks.owned_file(path) as partial:
            if await in_thread(kept.exists):
                path.unlink(missing_ok=True)
                return kept
            digest = hashlib.sha256()
            os.ftruncate(partial, 0)
            os.lseek(partial, 0, os.SEEK_SET)
            async for chunk in chunks:
                await in_thread(_write_whole, partial, chunk)
                digest.update(chunk)
            if f"sha256:{digest.hexdigest()}" != want.blob:
                path.unlink(missing_ok=True)
                raise errors.DigestMismatch(f"{want.name}: what came is something else")
            await in_thread(self._shelf.keep_blob, want.key)
        return kept

    async def push(self, image_id: str, target: Reference, credentials: Mapping[str, Credentials], tell: Tell) -> str:
        """Returns the digest that it has there."""
        outgoing = Outgoing(self._shelf, self.blob)
        return await outgoing.push(self._registry, image_id, target, credentials, tell)

    async def save(self, image_id: str, file: BinaryIO, credentials: Mapping[str, Credentials]) -> None:
        """As a tar of an OCI layout."""
        await Outgoing(self._shelf, self.blob).save(image_id, file, credentials)

    def use_registry(self, own: OwnRegistry | None) -> None:
        """The cluster's own registry, from now on."""
        self._registry.use(own)

    def may_verify(self, grant: str, node: str, repository: str) -> bool:
        return self._registry.may_verify(grant, node=node, repository=repository)

    async def pull(self, reference: Reference, credentials: Mapping[str, Credentials], tell: Tell) -> Image:
        login = for_repository(credentials, reference.host, reference.repository)
        resolved = await self._resolve(reference, credentials, login)
        image_id = resolved.manifest.config.digest
        known = self._shelf.read().images.get(image_id)
        if known is None or not all(self._shelf.read().has_layer(one) for one in known.layers):
            known = await self._fetch(resolved, tell)
        allowed = await in_thread(
            lambda: access.of_pull(
                reference,
                login,
                is_own=self._registry.is_own(reference),
                is_logged_in=self._registry.took_login(resolved.repository),
            )
        )
        await in_thread(self._shelf.put_image, image_id, known, [reference], resolved.digest, allowed)
        return Image(str(reference), image_id, resolved.digest, known.config, known.layers, known.size_bytes)

    async def _resolve(
        self, reference: Reference, credentials: Mapping[str, Credentials], login: Credentials | None
    ) -> Resolved:
        documents = Documents(self._registry, reference, credentials, login, self.peers)
        what = str(reference)
        data = await documents.first()
        document = manifests.load(data, f"{what}: manifest")
        digest = manifests.digest_of(data)
        depth = 0
        while manifests.is_index(document):
            depth += 1
            if depth > 2:
                raise errors.BadImage(f"{what} is an index of indexes of indexes")
            await in_thread(self._shelf.put_content, manifests.digest_of(data), data)
            data = await documents.get(manifests.choose(document, self._platform, what).digest)
            document = manifests.load(data, f"{what}: manifest")
        manifest_digest = manifests.digest_of(data)
        parsed = manifests.parse(document, what)
        await in_thread(self._shelf.put_content, manifest_digest, data)
        repository, is_away = documents.repository, documents.is_registry_away
        return Resolved(reference, repository, digest, manifest_digest, parsed, data, is_away)

    def _fetching(self, resolved: Resolved, blob: Descriptor, *, is_tracked: bool = True) -> Fetch:
        return Fetch(
            self._registry,
            resolved.repository,
            blob,
            peers=self.peers,
            manifest=resolved.data,
            is_registry_away=resolved.is_registry_away,
            is_tracked=is_tracked,
        )

    async def _fetch(self, resolved: Resolved, tell: Tell) -> ImageRecord:
        config = await self._config(resolved)
        blobs = resolved.manifest.layers
        tracker = Tracker(str(resolved.reference), tell, {blob.digest: blob.size for blob in blobs})
        tracker.report()
        pairs = dict(zip((blob.digest for blob in blobs), zip(blobs, config.diff_ids, strict=True), strict=True))
        order = sorted(pairs, key=self.peers.order) if self.peers is not None else list(pairs)
        try:
            await all_or_first_error([self._layer(resolved, *pairs[digest], tracker) for digest in order])
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
        data = await self._fetching(resolved, resolved.manifest.config, is_tracked=False).whole(what)
        config = manifests.parse_config(data, what)
        if len(config.diff_ids) != len(resolved.manifest.layers):
            raise errors.BadImage(
                f"{what}: the config tells of {len(config.diff_ids)} layers, the manifest of {len(resolved.manifest.layers)}"
            )
        await in_thread(self._shelf.put_content, resolved.manifest.config.digest, data)
        return config

    async def _layer(self, resolved: Resolved, blob: Descriptor, diff_id: str, tracker: Tracker) -> None:
        if not self._shelf.read().has_layer(diff_id):
            name = f"layer {blob.digest[:19]}… of {resolved.reference}"
            want = Wanted(name, blob.digest, diff_id, blob.digest)

            async def work(tell: Callable[[int], None]) -> None:
                fetch = self._fetching(resolved, blob)
                async with self._slots:
                    await self.bring_in(want, fetch.feed, tell, fetch.distrust)

            await self._layers.join((blob.digest, diff_id), work, lambda count: tracker.bytes_of(blob.digest, count))
        tracker.finish(blob.digest)

    async def bring_in(
        self,
        want: Wanted,
        feed: unpacking.Feed,
        tell: Callable[[int], None],
        distrust: Callable[[], bool] = lambda: False,
    ) -> None:
        """Have the layer in the store. Waits for another process that is at it already.

        ``distrust`` is called when what came is wrong, and says whether the feed may do better."""
        path = self._shelf.partial(want.key)
        async with locks.owned_file(path) as partial:
            keep = False
            try:
                if not self._shelf.read().has_layer(want.diff_id):
                    await self._try_twice(want, feed, tell, partial, distrust)
                    keep = await in_thread(self._keep_for_others, want)
            except (*_WORTH_RESUMING, asyncio.CancelledError):
                keep = os.fstat(partial).st_size > 0
                raise
            finally:
                if not keep:
                    path.unlink(missing_ok=True)
                self._tell_peers(want)

    async def adopt(self, layer: copying.Foreign) -> None:
        """Have a copy of the layer in the store. Raises `copying.Unfit` where it has to come as others do."""
        path = self._shelf.partial(layer.diff_id)
        async with locks.owned_file(path):
            try:
                if not self._shelf.read().has_layer(layer.diff_id):
                    await in_thread(self._adopt, layer)
            finally:
                path.unlink(missing_ok=True)

    def _adopt(self, layer: copying.Foreign) -> None:
        key = layer.diff_id
        try:
            copied = copying.copy(layer, self._shelf.stage(key), self._settings.limits)
            made = unpacking.Unpacked(
                "", 0, key, copied.size, copied.entries, tuple(copied.opaque), tuple(copied.implied)
            )
            self._shelf.put_layer(key, made)
        finally:
            self._shelf.drop_stage(key)

    def _keep_for_others(self, want: Wanted) -> bool:
        full = self._shelf.disk().is_over(self._settings.disk_high_percent)
        wanted = self.keeps_blobs or (self.peers is not None and self.peers.is_serving)
        if not want.blob or full or not self._settings.blob_bytes or not wanted:
            return False
        self._shelf.keep_blob(want.key)
        return True

    def _tell_peers(self, want: Wanted) -> None:
        if self.peers is not None and want.blob:
            tell = self.peers.have if self.offers.has(want.blob) else self.peers.drop
            self._telling.spawn(f"tell of {want.blob}", tell(want.blob))

    async def _try_twice(
        self,
        want: Wanted,
        feed: unpacking.Feed,
        tell: Callable[[int], None],
        partial: int,
        distrust: Callable[[], bool],
    ) -> None:
        resumed = os.fstat(partial).st_size > 0
        try:
            await self._unpack(want, feed, tell, partial)
        except (errors.DigestMismatch, errors.BadImage, errors.HostileLayer):
            # What an earlier try left behind, or what another node sent, may itself be what is wrong: once more from the
            # beginning, and from the registry.
            if not distrust() and not resumed:
                raise
            os.ftruncate(partial, 0)
            await self._unpack(want, feed, tell, partial)

    async def _unpack(self, want: Wanted, feed: unpacking.Feed, tell: Callable[[int], None], partial: int) -> None:
        growing = self.offers.begin(want.blob) if want.blob else Growing()

        def told(count: int) -> None:
            growing.feed(count)
            tell(count)

        try:
            staging = await in_thread(self._shelf.stage, want.key)
            made = await unpacking.unpack(
                lambda start: _counted(feed(start), start, told),
                staging,
                limits=self._settings.limits,
                partial=partial if want.blob else -1,
                name=want.name,
            )
            want.check(made)
            await in_thread(self._shelf.put_layer, want.key, made)
        finally:
            self.offers.end(want.blob, growing)
            await in_thread(self._shelf.drop_stage, want.key)


def _write_whole(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


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

    def check(self, made: unpacking.Unpacked) -> None:
        if self.blob and made.digest != self.blob:
            raise errors.DigestMismatch(f"{self.name}: what came has digest {made.digest}, not {self.blob}")
        if made.diff_id != self.diff_id:
            raise errors.DigestMismatch(
                f"{self.name}: it unpacks to {made.diff_id}, but the image's config says {self.diff_id}"
            )
