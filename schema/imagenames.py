"""Names of images as people write them. Pure: Docker's reading (``redis`` is ``docker.io/library/redis:latest``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schema.base import Wire

_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
DOCKER_HUB = "docker.io"
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True)
class Image:
    """An image as a container names it; ``docker.io`` and ``library/`` are spelled out."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""


def is_tag(text: str) -> bool:
    return bool(_TAG.fullmatch(text))


def is_digest(text: str) -> bool:
    return bool(_DIGEST.fullmatch(text))


def is_part(text: str) -> bool:
    """One of the parts of a repository's name between slashes."""
    return bool(_PART.fullmatch(text))


def parse(text: str) -> Image | None:
    """None for what is no image name."""
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        return None
    head, colon, tag = name.rpartition(":")
    if colon and head and "/" not in tag:
        name = head
    else:
        tag = ""
    if tag and not is_tag(tag):
        return None
    host, repository = _split(name)
    if not repository or not all(_PART.fullmatch(part) for part in repository.split("/")):
        return None
    return Image(host, repository, tag or ("" if digest else "latest"), digest)


def _split(name: str) -> tuple[str, str]:
    """As Docker reads it: the first part is a host if it has a dot or a colon, or is localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return DOCKER_HUB, name if slash else f"library/{name}"
    if first in (DOCKER_HUB, "index.docker.io", "registry-1.docker.io"):
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest


def images_of(spec: Wire) -> Iterator[Image]:
    """What the containers of a pod's spec, or of a template's, name. What is no container names nothing."""
    for _, _, text in texts_of(spec):
        found = parse(text)
        if found is not None:
            yield found


def texts_of(spec: Wire) -> Iterator[tuple[str, int, str]]:
    """Field, position and text of each container's image, in a spec that nobody has validated yet."""
    for group in _CONTAINERS:
        containers = spec.get(group)
        for position, container in enumerate(containers if isinstance(containers, list) else ()):
            if isinstance(container, dict) and isinstance(container.get("image"), str):
                yield group, position, container["image"]
