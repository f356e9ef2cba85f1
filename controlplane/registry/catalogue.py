"""What the registry holds, as Repository objects have it. Reads the disk; manifests are remembered, since they never change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from controlplane.registry import manifests, names, setting
from controlplane.registry.storage import Storage, Tag
from schema import kinds, meta
from schema.base import Wire

MOST_TAGS = 200
"""In an object: objects are for watching, not for archives."""


EMPTY: Wire = {"tagCount": 0, "sizeBytes": 0, "lastTag": "", "tags": []}


@dataclass(frozen=True)
class Described:
    """What a digest needs."""

    media_type: str
    blobs: tuple[tuple[str, int], ...]
    """Everything below it, manifests included, once each."""
    platforms: tuple[str, ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.blobs)


def storage() -> Storage:
    return Storage(setting.storage_root())


def find(namespace: str, name: str) -> str:
    """The path of the repository whose object has this name; empty where there is none with tags."""
    plain = f"{namespace}/{name}"
    held = storage()
    if names.is_repository(plain) and names.object_name(plain) == name and held.tags(plain):
        return plain
    for path in held.repositories(namespace):
        if names.is_repository(path) and names.object_name(path) == name and held.tags(path):
            return path
    return ""


def keys() -> Iterable[tuple[str, str]]:
    """Namespaces and names of the objects that there should be."""
    for path in storage().repositories():
        if names.is_repository(path):
            yield names.namespace_of(path), names.object_name(path)


def new(path: str) -> Wire:
    metadata = {"namespace": names.namespace_of(path), "name": names.object_name(path)}
    kind = kinds.REPOSITORY
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": metadata,
        "spec": {"path": path},
        "status": status(path) or {},
    }


def status(path: str) -> Wire | None:
    """None where it has no tags (any more)."""
    tags = newest_first(storage().tags(path))
    if not tags:
        return None
    blobs = {digest: size for tag in tags for digest, size in describe(tag.digest).blobs}
    return {
        "tagCount": len(tags),
        "sizeBytes": sum(blobs.values()),
        "lastPushed": _time(tags[0].pushed),
        "lastTag": tags[0].name,
        "tags": [tag_wire(tag) for tag in tags[:MOST_TAGS]],
    }


def newest_first(tags: Iterable[Tag]) -> list[Tag]:
    return sorted(tags, key=lambda tag: (-tag.pushed, tag.name))


def tag_wire(tag: Tag) -> Wire:
    described = describe(tag.digest)
    return {
        "name": tag.name,
        "digest": tag.digest,
        "mediaType": described.media_type,
        "sizeBytes": described.size,
        "pushedAt": _time(tag.pushed),
        "platforms": list(described.platforms),
    }


def describe(digest: str) -> Described:
    found = _describe(str(setting.storage_root()), digest)
    if not found.media_type:  # not there (yet): not worth remembering
        _describe.cache_clear()
    return found


@lru_cache(maxsize=8192)
def _describe(root: str, digest: str) -> Described:
    held = Storage(setting.storage_root())
    return _walk(held, digest, depth=0)


def _walk(held: Storage, digest: str, *, depth: int) -> Described:
    data = held.manifest(digest)
    if not data or depth > 2:
        return Described("", (), ())
    said = manifests.parse(data)
    # What a manifest says of sizes is its author's word; what is there is known.
    blobs = {digest: len(data), **{blob: held.size(blob) or size for blob, size in said.blobs}}
    platforms = dict.fromkeys(said.platforms)
    for child in said.children:
        below = _walk(held, child, depth=depth + 1)
        blobs |= dict(below.blobs)
        platforms |= dict.fromkeys(below.platforms)
    if said.config and (own := manifests.platform_of_config(held.config(said.config))):
        platforms[own] = None
    return Described(said.media_type, tuple(blobs.items()), tuple(platforms))


def _time(moment: float) -> str:
    return meta.format_time(datetime.fromtimestamp(moment, UTC))
