"""The layers of an image as they lie in the builder's storage, for the node's to copy."""

from __future__ import annotations

import base64
import functools
import gzip
import json
import os
from collections.abc import Iterator

from nodeagent.builds.run import buildah, cache
from nodeagent.images.layers.copying import Foreign, Unfit

_ENTRY = 1
"""In the notes of tar-split, a header; all else are pieces of the archive between files."""


def layers(image_id: str) -> list[Foreign]:
    """The topmost first."""
    return [
        Foreign(layer["diff-digest"], buildah.GRAPH / "overlay" / name / "diff", functools.partial(_named, name))
        for layer in cache.chain(image_id)
        if (name := layer["id"]) and layer.get("diff-digest")
    ]


def _named(layer: str) -> list[str]:
    """The paths that the layer's archive has entries for, from the notes that containers/storage keeps to write it again."""
    try:
        return [os.path.normpath(f"/{name}").lstrip("/") for name in _names(layer)]
    except (FileNotFoundError, ValueError):
        raise Unfit("the builder has no notes of it") from None


def _names(layer: str) -> Iterator[str]:
    with gzip.open(buildah.GRAPH / "overlay-layers" / f"{layer}.tar-split.gz", "rb") as notes:
        for line in notes:
            note = json.loads(line)
            if note.get("type") == _ENTRY:
                raw = note.get("name_raw")
                yield os.fsdecode(base64.b64decode(raw)) if raw else str(note.get("name") or "")
