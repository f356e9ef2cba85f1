"""Base images that this node has, for when no registry gives them: loaded from an archive, built here, or pulled.

One that was pulled with a login is not given: whoever builds must show to its registry that they may have it. For one of the
cluster's registry the control plane's word that the build may pull it is enough, also while that registry is away.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from nodeagent.builds.places import WORK
from nodeagent.builds.run import buildah, cache
from nodeagent.builds.run.errors import Failure, Passing
from nodeagent.errors import ImageError
from nodeagent.images.disk.state import StateFile
from nodeagent.images.reference import Reference

_OPEN = ("", "public")
"""`peers.access`: it was loaded or built here, or everybody may pull it."""
_ARCHIVE = WORK / "tmp" / "base.tar"


def kept_name(node_image: str) -> str:
    """In the builder's storage, of what became that image of the node and was not pushed."""
    return f"localhost/slipway-kept:{node_image.removeprefix('sha256:')[:32]}"


class NotHere(Exception):
    """The text says why the node's image does not help; it is empty where there is none."""


def take(reference: Reference, home: Path, *, name: str = "", may_pull: bool = False) -> str:
    """The id of the builder's copy of it, which has that name (its own) from now on. ``may_pull``: who builds has shown that they
    may. Raises `NotHere`."""
    from nodeagent.images.store import ImageStore  # late: with all that pulling takes

    async def save(image_id: str) -> None:
        store = ImageStore(home)
        try:
            with _ARCHIVE.open("wb") as file:
                await store.save(image_id, file, credentials={})
        finally:
            await store.close()

    if not is_here(reference, home, may_pull=may_pull):
        raise NotHere("")
    here = StateFile(home).read().references[str(reference)].image_id
    try:
        image = cache.named(kept_name(here)) or cache.held_as(here)
        if not image:
            asyncio.run(save(here))
            image = buildah.run("pull", "--quiet", f"oci-archive:{_ARCHIVE}:{reference}").strip()
        buildah.run("tag", image, name or str(reference))
    except (ImageError, Failure, Passing) as error:
        raise NotHere(str(getattr(error, "message", "") or error)) from None
    finally:
        _ARCHIVE.unlink(missing_ok=True)
    return image


def is_here(reference: Reference, home: Path, *, may_pull: bool = False) -> bool:
    """Whether there is one that anybody may have, or any."""
    found = StateFile(home).read().references.get(str(reference))
    return found is not None and (may_pull or found.access in _OPEN)
