"""The result, where it belongs: in the registries that its tags name, and among the images of this node."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah, nodeimages, unpacked
from nodeagent.builds.run.bases import _tls
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.registries import Registries
from nodeagent.errors import ImageError
from nodeagent.images.reference import Reference

if TYPE_CHECKING:
    from nodeagent.images.store import ImageStore

_LAYOUT = WORK / "tmp" / "image"
_PUSHED = b"pushed"


def push(image: str, tags: Sequence[Reference], registry: Registries, home: Path) -> tuple[str, str]:
    """To every tag, and among the node's images, so that a pod here needs no pull. The digest, and what kept it from this node.
    Raises `Failure`."""
    registry.log_in(push=tags)
    with Homecoming(image, tags, registry, home) as homecoming:
        digest = ""
        for tag in tags:
            digest = _push(image, tag, registry.at(tag))
            print(f"pushed {tag} {digest}", flush=True)
        return digest, homecoming.finish()


def _push(image: str, tag: Reference, where: Reference) -> str:
    file = WORK / "tmp" / "digest"
    words = ["--quiet", "--digestfile", str(file), *_tls(where), image, f"docker://{where}"]
    try:
        buildah.patiently(f"pushing {tag}", lambda: buildah.run("push", *words, host_network=True))
    except Passing as error:
        raise Failure("RegistryUnreachable", f"{tag} cannot be pushed: {error}") from None
    except Failure as error:
        if error.reason == "Denied":
            why = f"its registry does not let this build push into repository {tag.repository} (403): {error.message}"
            raise Failure("PushDenied", f"{tag}: {why}") from None
        if error.reason == "DiskFull":
            raise
        raise Failure("PushFailed", f"{tag} cannot be pushed: {error.message}") from None
    return file.read_text().strip()


class Homecoming:
    """Of an image that is being pushed, in a process of its own, which works in the network of the agent.

    Its layers are copied from the builder's storage into the node's meanwhile; when the image is pushed it is pulled, so that
    node and registry speak of the same digest, and all its layers are there.
    """

    def __init__(self, image: str, tags: Sequence[Reference], registry: Registries, home: Path) -> None:
        self._image, self._tags, self._registry, self._home = image, tags, registry, home
        self._reader, self._writer = os.pipe()

    def __enter__(self) -> Homecoming:
        self._child = multiprocessing.get_context("fork").Process(target=self._run)
        self._child.start()
        os.close(self._reader)
        return self

    def finish(self) -> str:
        """The image is pushed. What kept it from this node, if anything did."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, _PUSHED)
        self._child.join()
        return "the image could not be put among the node's images; the log says why" if self._child.exitcode else ""

    def __exit__(self, *_: object) -> None:
        os.close(self._writer)
        self._child.join()

    def _run(self) -> None:
        os.close(self._writer)
        try:
            buildah.in_host_network()
            asyncio.run(self._bring_home())
        except (ImageError, Failure, Passing) as error:
            print(f"error: {error}", flush=True)
            raise SystemExit(1) from None

    async def _bring_home(self) -> None:
        async with _opened(self._home, self._registry) as store, store.adopting(unpacked.layers(self._image)):
            if await asyncio.to_thread(self._is_pushed):
                for tag in self._tags:
                    await store.pull(str(tag), credentials=self._registry.logins())

    def _is_pushed(self) -> bool:
        """Waits for it; the end of the pipe means that it failed."""
        return os.read(self._reader, len(_PUSHED)) == _PUSHED


def keep_here(image: str, tags: Sequence[Reference], registry: Registries, home: Path) -> str:
    """Put what is not pushed among the node's images. Returns its digest. Raises `Failure`."""
    digest = _export(image, [str(tag) for tag in tags])
    try:
        for made in asyncio.run(_load(home, registry)):
            buildah.run("tag", image, nodeimages.kept_name(made))
    except ImageError as error:
        print(f"error: {error}", flush=True)
        raise Failure("StoreFailed", f"the image could not be put among the node's images: {error}") from None
    return digest


def _export(image: str, names: Sequence[str]) -> str:
    shutil.rmtree(_LAYOUT, ignore_errors=True)
    buildah.run("push", "--quiet", "--format", "oci", image, f"oci:{_LAYOUT}:{names[0]}")
    return _name_all(_LAYOUT, names)


def _name_all(layout: Path, names: Sequence[str]) -> str:
    """Every name for the one manifest of the layout."""
    index = json.loads((layout / "index.json").read_text())
    manifest = index["manifests"][0]
    index["manifests"] = [
        {**manifest, "annotations": {"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name}}
        for name in names
    ]
    (layout / "index.json").write_text(json.dumps(index))
    return str(manifest["digest"])


@contextlib.asynccontextmanager
async def _opened(home: Path, registry: Registries) -> AsyncIterator[ImageStore]:
    from nodeagent.images.store import ImageStore  # late: with all that pulling takes

    store = ImageStore(home, registry.image_settings())
    store.use_registry(registry.own())
    try:
        yield store
    finally:
        await store.close()


async def _load(home: Path, registry: Registries) -> list[str]:
    """The node can push it, save it and build upon it without a registry. The ids."""
    async with _opened(home, registry) as store:
        store.keep_blobs()
        return [image.image_id for image in await store.load(_LAYOUT)]
