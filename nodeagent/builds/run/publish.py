"""The result, where it belongs: in the registries that its tags name, and among the images of this node."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import shutil
from collections.abc import Sequence
from pathlib import Path

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah, cache
from nodeagent.builds.run.bases import _tls
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.registries import Registries
from nodeagent.errors import ImageError
from nodeagent.images import settings as image_settings
from nodeagent.images.reference import Reference
from nodeagent.images.store import ImageStore

_LAYOUT = WORK / "tmp" / "image"


def push(image: str, tags: Sequence[Reference], registry: Registries) -> str:
    """To every tag. Returns the digest. Raises `Failure`."""
    registry.log_in(push=tags)
    digest = ""
    for tag in tags:
        digest = _push(image, tag, registry.at(tag))
        print(f"pushed {tag} {digest}", flush=True)
    return digest


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


def bring_home(image: str, tags: Sequence[Reference], registry: Registries, home: Path) -> None:
    """Put what was pushed among the node's images, so that a pod here needs no pull. Raises `Failure`.

    Node and registry then speak of the same digest. The cluster's registry is near and sends the layers that are not here; from
    others nothing is fetched that the builder has.
    """
    own = all(registry.is_cluster(tag) for tag in tags)
    names = [str(tag) for tag in tags]
    if not own and _missing(image, home):
        _export(image, names)
        _in_child(home, names, registry, load=True)
    else:
        _in_child(home, names, registry, load=False)


def keep_here(image: str, tags: Sequence[Reference], registry: Registries, home: Path) -> str:
    """Put what is not pushed among the node's images. Returns its digest. Raises `Failure`."""
    digest = _export(image, [str(tag) for tag in tags])
    _in_child(home, [], registry, load=True)
    return digest


def _missing(image: str, home: Path) -> bool:
    """Whether a layer of the image is not among the node's."""
    state = ImageStore(home, image_settings.ImageSettings()).state()
    found = cache.diff_ids(image)
    return not found or not all(state.has_layer(layer) for layer in found)


def _export(image: str, names: Sequence[str]) -> str:
    """All layers, not compressed: they are read again at once."""
    shutil.rmtree(_LAYOUT, ignore_errors=True)
    buildah.run("push", "--quiet", "--format", "oci", image, f"oci:{_LAYOUT}:{names[0]}")
    return _name_all(_LAYOUT, names)


def _in_child(home: Path, pull: Sequence[str], registry: Registries, *, load: bool) -> None:
    """A process of its own: it stays in the network of the agent."""
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_store, args=(home, pull, registry, load))
    child.start()
    child.join()
    if child.exitcode:
        raise Failure("StoreFailed", "the image could not be put among the node's images; the log says why")


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


def _store(home: Path, pull: Sequence[str], registry: Registries, load: bool) -> None:
    buildah.in_host_network()
    try:
        asyncio.run(_bring(home, pull, registry, load=load))
    except ImageError as error:
        print(f"error: {error}", flush=True)
        raise SystemExit(1) from None


async def _bring(home: Path, pull: Sequence[str], registry: Registries, *, load: bool) -> None:
    store = ImageStore(home, registry.image_settings())
    store.use_registry(registry.own())
    if not pull:
        store.keep_blobs()  # no registry has them; so it can still be pushed from here
    try:
        loaded = {image.image_id for image in await store.load(_LAYOUT)} if load else set()
        pulled = {(await store.pull(name, credentials=registry.logins())).image_id for name in pull}
        for image_id in loaded - pulled if pulled else ():
            await store.remove(image_id)
    finally:
        await store.close()
