"""Digests that a template's images are held to (annotation ``slipway.dev/image-digests`` of the template). Pure.

The annotation maps images as containers write them to digests: ``{"localhost:5000/default/web:1": "sha256:…"}``. Pods made of
the template run exactly these, whatever the tag means by then; so a revision of the history is the images it ran, and
``kubectl rollout undo`` brings those back. An image that the template does not name any more is not pinned by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from controlplane.registry.names import is_digest
from schema.base import Wire

ANNOTATION = "slipway.dev/image-digests"
_CONTAINERS = ("initContainers", "containers")


def of(template: Wire) -> dict[str, str]:
    return read((template.get("metadata") or {}).get("annotations") or {})


def read(annotations: Mapping[str, str], name: str = ANNOTATION) -> dict[str, str]:
    """What cannot be read pins nothing."""
    try:
        found = json.loads(annotations.get(name) or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {image: digest for image, digest in found.items() if isinstance(digest, str) and is_digest(digest)}


def written(pinned: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(pinned.items())), separators=(",", ":"))


def images(template: Wire) -> list[str]:
    """As the template's containers write them, each once."""
    spec = template.get("spec") or {}
    found = (str(each.get("image") or "") for group in _CONTAINERS for each in spec.get(group) or ())
    return [image for image in dict.fromkeys(found) if image]


def set_on(template: Wire, pinned: Mapping[str, str]) -> Wire:
    """The template with these pins alone; those of images it does not have are left out."""
    metadata = template.get("metadata") or {}
    annotations = dict(metadata.get("annotations") or {})
    kept = {image: pinned[image] for image in images(template) if image in pinned}
    annotations.pop(ANNOTATION, None)
    if kept:
        annotations[ANNOTATION] = written(kept)
    return {**template, "metadata": {**metadata, "annotations": annotations}}


def apply(template: Wire, spec: Wire) -> None:
    """Change a pod's spec, made of the template, in place."""
    pinned = of(template)
    for group in _CONTAINERS if pinned else ():
        for container in spec.get(group) or ():
            digest = pinned.get(str(container.get("image") or ""))
            if digest:
                container["image"] = f"{container['image']}@{digest}"
