"""Base images that only this node has: loaded from an archive, or built without being pushed.

One that was pulled with a login, or from the cluster's registry, is not given: whoever builds must show to the registry that
they may have it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah, cache
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.errors import ImageError
from nodeagent.images.reference import Reference
from nodeagent.images.disk.state import StateFile

_OPEN = ("", "public")
"""`peers.access`: it was loaded or built here, or everybody may pull it."""
_ARCHIVE = WORK / "tmp" / "base.tar"


def kept_name(node_image: str) -> str:
    """In the builder's storage, of what became that image of the node and was not pushed."""
    return f"localhost/slipway-kept:{node_image.removeprefix('sha256:')[:32]}"


class NotHere(Exception):
    """The text says why the node's image does not help; it is empty where there is none."""


def take(reference: Reference, home: Path) -> str:
    """The id of the builder's copy of it. Raises `NotHere`."""
    from nodeagent.images.store import ImageStore  # late: with all that pulling takes

    async def save(image_id: str) -> None:
        store = ImageStore(home)
        try:
            with _ARCHIVE.open("wb") as file:
                await store.save(image_id, file, credentials={})
        finally:
            await store.close()

    if not is_here(reference, home):
        raise NotHere("")
    here = StateFile(home).read().references[str(reference)].image_id
    try:
        if kept := cache.named(kept_name(here)):
            buildah.run("tag", kept, str(reference))
            return kept
        asyncio.run(save(here))
        image = buildah.run("pull", "--quiet", f"oci-archive:{_ARCHIVE}:{reference}").strip()
        buildah.run("tag", image, str(reference))
    except (ImageError, Failure, Passing) as error:
        raise NotHere(str(getattr(error, "message", "") or error)) from None
    finally:
        _ARCHIVE.unlink(missing_ok=True)
    return image


def is_here(reference: Reference, home: Path) -> bool:
    """Whether there is one that anybody may have."""
    found = StateFile(home).read().references.get(str(reference))
    return found is not None and found.access in _OPEN
