"""The result, where it belongs: in the registries that its tags name, and among the images of this node."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah
from nodeagent.builds.run.bases import _tls
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.builds.run.registries import Registries
from nodeagent.errors import ImageError
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


def bring_home(
    image: str, tags: Sequence[Reference], registry: Registries, request: Mapping[str, Any], *, pushed: bool
) -> str:
    """Put it among the node's images, under its names: a pod here needs no pull. Returns its digest here.

    The layers come from the builder's own storage. What was pushed is then looked up in its registry, which sends no layer
    that is here, so that node and registry speak of the same digest.
    """
    shutil.rmtree(_LAYOUT, ignore_errors=True)
    buildah.run("push", "--quiet", "--format", "oci", image, f"oci:{_LAYOUT}:{tags[0]}")
    digest = _name_all(_LAYOUT, [str(tag) for tag in tags])
    home = Path(request["node"]["imagesHome"])
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_store, args=(home, [str(tag) for tag in tags] if pushed else [], registry))
    child.start()
    child.join()
    if child.exitcode:
        raise Failure("StoreFailed", "the image could not be put among the node's images; the lines above say why")
    return digest


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


def _store(home: Path, pull: Sequence[str], registry: Registries) -> None:
    """In a child, which stays in the network of the agent."""
    buildah.in_host_network()
    try:
        asyncio.run(_load(home, pull, registry))
    except ImageError as error:
        print(f"error: {error}", flush=True)
        raise SystemExit(1) from None


async def _load(home: Path, pull: Sequence[str], registry: Registries) -> None:
    store = ImageStore(home, registry.image_settings())
    store.use_registry(registry.own())
    try:
        loaded = {image.image_id for image in await store.load(_LAYOUT)}
        pulled = {(await store.pull(name, credentials=registry.logins())).image_id for name in pull}
        for image_id in loaded - pulled if pulled else ():
            await store.remove(image_id)
    finally:
        await store.close()
