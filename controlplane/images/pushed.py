"""The images that a repository's tags mean, read from the registry's disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from controlplane.images.keeping import Held
from controlplane.registry import catalogue, manifests, setting
from controlplane.registry.storage import Storage
from schema.base import Wire

DEEPEST = 2
"""An index of indexes is as far as anybody goes."""


def held_by(repository: Wire) -> dict[str, Held]:
    """By image id. Names are those of the registry's first address."""
    path = repository["spec"]["path"]
    place = f"{setting.aliases()[0]}/{path}" if setting.aliases() else path
    held = catalogue.storage()
    found: dict[str, Held] = {}
    for tag in held.tags(path):
        for manifest_digest, manifest in _images(held, tag.digest):
            image_id = str((_parsed(manifest).get("config") or {}).get("digest") or "")
            config = held.config(image_id) if image_id else b""
            if not config:
                continue
            before = found.get(image_id, Held())
            digests = {*before.digests, f"{place}@{tag.digest}", f"{place}@{manifest_digest}"}
            references = {*before.references, f"{place}:{tag.name}"}
            found[image_id] = Held(tuple(sorted(references)), tuple(sorted(digests)), config, manifest)
    return found


def _images(held: Storage, digest: str, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """The manifests of images at or below a digest."""
    data = held.manifest(digest)
    if not data or depth > DEEPEST:
        return
    said = manifests.parse(data)
    if said.config:
        yield digest, data
    for child in said.children:
        yield from _images(held, child, depth + 1)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
