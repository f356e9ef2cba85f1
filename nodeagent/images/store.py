"""`ImageStore`: the node's images, as `facilities.Images`. Outline of the package's parts; the work is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from nodeagent.errors import DiskStaysFull
from nodeagent.facilities import Credentials, Image, Progress
from nodeagent.images import errors, reference
from nodeagent.images.disk import gc, locks
from nodeagent.images.disk.roots import Roots
from nodeagent.images.disk.shelf import PARTIAL_KEEP_SECONDS, Shelf
from nodeagent.images.disk.state import State
from nodeagent.images.flights import Flights, in_thread
from nodeagent.images.layers import copying
from nodeagent.images.peers.client import Patience
from nodeagent.images.peers.service import Peers
from nodeagent.images.reference import Reference
from nodeagent.images.registry.credentials import for_repository
from nodeagent.images.registry.own import OwnRegistry
from nodeagent.images.settings import ImageSettings
from nodeagent.images.told import Teller
from nodeagent.images.transfers import archive
from nodeagent.images.transfers.pull import Puller

log = logging.getLogger(__name__)


def _nobody(_: Progress) -> None:
    pass


class ImageStore:
    """One per process and event loop; several processes may have one on the same directory (``<home>/images``)."""

    def __init__(self, directory: Path, settings: ImageSettings | None = None) -> None:
        self._settings = settings or ImageSettings()
        self._shelf = Shelf(directory.absolute())
        self._roots = Roots(self._shelf.home)
        self._puller = Puller(self._shelf, self._settings)
        self._pulls: Flights[Progress] = Flights("pull")
        self._background: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Ends what goes on behind the scenes; containers' roots stay mounted."""
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._puller.close()
        self._roots.close()

    def share(self, *, node: str, port: int, patience: Patience | None = None) -> Peers:
        """Have pulls ask other nodes, and answer them. The caller hands the result the cluster view."""
        peers = Peers(
            self._shelf,
            self._puller.offers,
            node=node,
            port=port,
            patience=patience,
            may_verify=self._puller.may_verify,
        )
        self._puller.peers = peers.client
        return peers

    def use_registry(self, own: OwnRegistry | None) -> None:
        """The cluster's own registry, from now on."""
        self._puller.use_registry(own)

    def teller(self) -> Teller:
        """Of what is here, for one session."""
        return Teller(self.state, self._shelf.content)

    def state(self) -> State:
        return self._shelf.read()

    async def find(self, reference_text: str) -> Image | None:
        name = reference.parse(reference_text)
        return self._shelf.read().image(str(name.at(name.digest) if name.digest else name))

    async def pull(
        self,
        reference_text: str,
        *,
        credentials: Mapping[str, Credentials],
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        name = reference.parse(reference_text)
        name = name.at(name.digest) if name.digest else name
        login = for_repository(credentials, name.host, name.repository)

        async def work(tell: Callable[[Progress], None]) -> Image:
            async with self._bringing_in(str(name)):
                return await self._puller.pull(name, credentials, tell)

        # Who comes with another login must show it to the registry: no sharing between different ones.
        return await self._pulls.join((str(name), login), work, progress or _nobody)

    async def verify(self, image: Image, keys: str, *, credentials: Mapping[str, Credentials]) -> None:
        await self._puller.verify(reference.parse(image.reference), image.digest, keys, credentials)

    def keep_blobs(self) -> None:
        """Layers as they come are kept from now on, so that images can be saved and pushed without their registry."""
        self._puller.keeps_blobs = True

    def tag(self, image_id: str, name: Reference) -> None:
        """Another name for an image that is here."""
        state = self._shelf.read()
        known = next(one for one in state.references.values() if one.image_id == image_id)
        self._shelf.put_image(image_id, state.images[image_id], [name], known.digest, known.access)

    async def push(
        self,
        image_id: str,
        target: Reference,
        *,
        credentials: Mapping[str, Credentials],
        progress: Callable[[Progress], None] | None = None,
    ) -> str:
        """To the registry that ``target`` names. Returns the digest that it has there."""
        return await self._puller.push(image_id, target, credentials, progress or _nobody)

    async def save(self, image_id: str, file: BinaryIO, *, credentials: Mapping[str, Credentials]) -> None:
        await self._puller.save(image_id, file, credentials)

    def document(self, digest: str) -> bytes:
        """A manifest or configuration of an image that is here; empty where it was not kept."""
        try:
            return self._shelf.content(digest).read_bytes()
        except FileNotFoundError:
            return b""

    async def load(self, path: Path | None, progress: Callable[[Progress], None] | None = None) -> list[Image]:
        """Images out of a ``docker save`` file or OCI layout (None: standard input). See `transfers.archive`."""
        async with self._bringing_in(str(path or "standard input")):
            return await archive.load(path, self._shelf, self._puller, progress or _nobody)

    @contextlib.asynccontextmanager
    async def adopting(self, layers: Sequence[copying.Foreign]) -> AsyncIterator[None]:
        """While this lasts there are copies here of what another store of this host has unpacked; an image that is pulled
        meanwhile keeps them. One that cannot be copied comes with its image."""
        async with self._bringing_in("an image that was made here"):
            for layer in layers:
                try:
                    await self._puller.adopt(layer)
                except copying.Unfit as why:
                    log.info("layer %s has to be unpacked: %s", layer.diff_id, why)
            yield

    async def mount(self, image: Image, container_id: str) -> Path:
        with errors.as_store_error(image.reference), locks.shared(self._shelf.pulls_lock):
            state = self._shelf.read()
            record = state.images.get(image.image_id)
            if record is None or not all(state.has_layer(layer) for layer in record.layers):
                raise errors.StoreError(f"image {image.reference} is no longer on this node; it has to be pulled again")
            path = await self._roots.mount(container_id, image.image_id, state.directories(record))
        self._shelf.note_use(image.image_id)
        return path

    async def unmount(self, container_id: str) -> None:
        await self._roots.unmount(container_id)

    async def collect(self, in_use: set[str]) -> None:
        """Raises `DiskStaysFull`, with all done that could be."""
        for container_id in [one for one in self._roots.present() if one not in in_use]:
            await self._roots.unmount(container_id)
        await in_thread(self._drop_half_done)
        await in_thread(self._shelf.make_durable)
        await in_thread(self._trim_blobs)
        await in_thread(self._collect_garbage)
        await in_thread(self._shelf.drop_unused_layers)
        await in_thread(self._check_disk)

    def _check_disk(self) -> None:
        disk, mark = self._shelf.disk(), self._settings.disk_high_percent
        if disk.is_over(mark):
            count = len(self._shelf.read().images)
            raise DiskStaysFull(
                f"the disk of the images is {disk.used_percent:.0f}% full, over the {mark:.0f}% from which on images go, "
                f"and the {count} that are here are in use or have just come; make room in the file system of {self._shelf.home}"
            )

    async def remove(self, reference_text: str) -> list[str]:
        """Take away a name; with the image's last name, or by its id, the image. Returns what was removed.

        Raises `NotFound`, and `StoreError` where a container runs from it.
        """
        image_id, names, whole = self._what_to_remove(reference_text)
        if whole and image_id in self._roots.present().values():
            raise errors.StoreError(f"{reference_text} is in use by a container on this node")
        await in_thread(self._shelf.forget, {image_id} if whole else set(), names)
        return sorted(names) + ([image_id] if whole else [])

    def _what_to_remove(self, text: str) -> tuple[str, set[str], bool]:
        state = self._shelf.read()
        wanted = text.removeprefix("sha256:")
        if len(wanted) >= 12 and all(one in "0123456789abcdef" for one in wanted):
            found = [key for key in state.images if key.removeprefix("sha256:").startswith(wanted)]
            if len(found) == 1:
                return found[0], set(state.names_of(found[0])), True
        name = str(reference.parse(text))
        if name not in state.references:
            raise errors.NotFound(f"there is no image {name} on this node")
        image_id = state.references[name].image_id
        tags = {one for one in state.names_of(image_id) if "@" not in one}
        along = {one for one in state.names_of(image_id) if state.references[one].implied}
        names = {name} | (along if tags <= {name} else set())
        return image_id, names, set(state.names_of(image_id)) <= names

    # --- behind the scenes

    @contextlib.asynccontextmanager
    async def _bringing_in(self, what: str) -> AsyncIterator[None]:
        """While this lasts, no process takes layers out. Afterwards the disk is looked after in the background."""
        with errors.as_store_error(what):
            async with locks.shared_while(self._shelf.pulls_lock):
                yield
        self._later(self._settle())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="settle after a pull")
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _settle(self) -> None:
        """After a pull: the disk catches up, and if it has become full, something old goes."""
        try:
            await in_thread(self._shelf.make_durable)
            await in_thread(self._trim_blobs)
            if self._shelf.disk().is_over(self._settings.disk_high_percent):
                await in_thread(self._collect_garbage)
        except OSError:
            log.exception("looking after the image store's disk failed; the next pull or collection tries again")

    def _drop_half_done(self) -> None:
        """A broken-off download waits for the next try, but not where the disk is needed."""
        full = self._shelf.disk().is_over(self._settings.disk_high_percent)
        self._shelf.drop_half_done(keep_seconds=0.0 if full else PARTIAL_KEEP_SECONDS)

    def _trim_blobs(self) -> None:
        """What is kept for other nodes is the first to go."""
        disk = self._shelf.disk()
        budget = min(self._settings.blob_bytes, disk.total_bytes // 20)
        self._shelf.trim_blobs(0 if disk.is_over(self._settings.disk_high_percent) else budget)

    def _collect_garbage(self) -> None:
        doomed = gc.plan(
            self._shelf.read(),
            running=set(self._roots.present().values()),
            used_at=self._shelf.used_at(),
            now=time.time(),
            disk=self._shelf.disk(),
            settings=self._settings,
        )
        if doomed:
            state = self._shelf.read()
            for image_id in doomed:
                log.info(
                    "image %s is removed: unused, or the disk is needed", " ".join(state.names_of(image_id)) or image_id
                )
            self._shelf.forget(set(doomed))
