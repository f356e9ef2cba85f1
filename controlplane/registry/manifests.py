"""What a manifest or an index says it needs. Pure: OCI image-spec 1.0 and Docker's schema 2."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.registry.names import is_digest

INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LARGEST = 4 * 1024 * 1024
"""distribution's own bound."""


@dataclass(frozen=True)
class Manifest:
    media_type: str
    blobs: tuple[tuple[str, int], ...] = ()
    """Configuration and layers: digest and size."""
    children: tuple[str, ...] = ()
    """Manifests of an index."""
    platforms: tuple[str, ...] = ()
    """Of the children; of an image its configuration says it."""
    config: str = ""


def parse(data: bytes) -> Manifest:
    """What cannot be read needs nothing: the registry would not serve it either."""
    try:
        document = json.loads(data)
    except ValueError:
        return Manifest("")
    if not isinstance(document, dict):
        return Manifest("")
    if isinstance(document.get("manifests"), list):
        return _index(document)
    return _image(document)


def _index(document: Mapping[str, Any]) -> Manifest:
    entries = [entry for entry in document["manifests"] if isinstance(entry, dict)]
    media_type = str(document.get("mediaType") or "application/vnd.oci.image.index.v1+json")
    children = tuple(str(entry["digest"]) for entry in entries if is_digest(str(entry.get("digest"))))
    platforms = (platform(entry.get("platform") or {}) for entry in entries)
    return Manifest(media_type, children=children, platforms=tuple(one for one in platforms if one))


def _image(document: Mapping[str, Any]) -> Manifest:
    blobs = tuple(_descriptors(document))
    config = document.get("config")
    digest = str(config.get("digest") or "") if isinstance(config, dict) else ""
    return Manifest(str(document.get("mediaType") or _OCI_MANIFEST), blobs=blobs, config=digest)


def _descriptors(document: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    layers = document.get("layers")
    for entry in [document.get("config"), *(layers if isinstance(layers, list) else [])]:
        if isinstance(entry, dict) and is_digest(str(entry.get("digest"))):
            size = entry.get("size")
            yield str(entry["digest"]), size if isinstance(size, int) and size > 0 else 0
    for entry in document.get("fsLayers") or ():  # schema 1, which old clients push
        if isinstance(entry, dict) and is_digest(str(entry.get("blobSum"))):
            yield str(entry["blobSum"]), 0


def platform(said: Mapping[str, Any]) -> str:
    """``linux/arm64/v8``; empty for none, and for ``unknown/unknown``, under which builders keep attestations."""
    parts = [str(said.get(key) or "") for key in ("os", "architecture", "variant")]
    if not parts[0] or parts[0] == "unknown":
        return ""
    return "/".join(part for part in parts if part)


def platform_of_config(data: bytes) -> str:
    try:
        document = json.loads(data)
    except ValueError:
        return ""
    return platform(document) if isinstance(document, dict) else ""
