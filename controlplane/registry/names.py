"""Names of the cluster's repositories. Pure.

A repository of the cluster's registry is ``<namespace>/<name>``, where the name may have several parts. Its object carries
the name itself where that is a name an object may have, else one that follows from it.
"""

from __future__ import annotations

import hashlib
import re

from schema.imagenames import DOCKER_HUB, Image, images_of, is_digest, is_part, is_tag, parse

__all__ = [
    "DOCKER_HUB",
    "Image",
    "images_of",
    "is_digest",
    "is_repository",
    "is_tag",
    "namespace_of",
    "object_name",
    "parse",
]

_OBJECT = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LONGEST = 255


def is_repository(path: str) -> bool:
    """Whether it can be a repository of ours."""
    parts = path.split("/")
    return len(path) <= _LONGEST and len(parts) > 1 and all(is_part(part) for part in parts)


def namespace_of(path: str) -> str:
    return path.partition("/")[0]


def object_name(path: str) -> str:
    """The name of the Repository object of ``namespace/name``."""
    name = path.partition("/")[2]
    if _OBJECT.fullmatch(name) and len(name) <= 200:
        return name
    slug = re.sub(r"[^a-z0-9]+", "-", name).strip("-")[:180]
    return f"{slug}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"
