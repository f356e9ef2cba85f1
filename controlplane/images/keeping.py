"""Image objects follow what their sources say to have: each node of itself, and the registry's repositories.

A source says everything that it has; what it does not name any more loses it as a source. An Image without sources is the
controller's to remove, so that nobody deletes what another source claims at the same moment.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from controlplane.controllers.base import write
from controlplane.controllers.errors import Stalled
from controlplane.images import documents
from controlplane.store import objects
from controlplane.store.errors import Conflict
from controlplane.store.objects import Create, Patch, Write
from schema import kinds
from schema.base import Wire

log = logging.getLogger(__name__)

MOST_NAMES = 200
"""References and digests of an image at one source."""
ATTEMPTS = 3


@dataclass(frozen=True)
class Held:
    """An image as one source has it. The documents may be empty where the control plane has them already."""

    references: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    config: bytes = b""
    manifest: bytes = b""

    def wire(self, source: str) -> Wire:
        return {
            "name": source,
            "references": sorted(self.references)[:MOST_NAMES],
            "digests": sorted(self.digests)[:MOST_NAMES],
        }


def name_of(image_id: str) -> str:
    return image_id.removeprefix("sha256:")


def keep(source: str, held: Mapping[str, Held]) -> set[str]:
    """Write down that ``source`` has these images (by id) and no others. Returns the ids whose documents are lacking."""
    for _ in range(ATTEMPTS):
        lacking, writes = _difference(source, held)
        try:
            write(writes)
        except (Conflict, Stalled) as error:  # another source was faster with the same image
            log.debug("images of %s: %s; reading again", source, error)
            continue
        break
    return lacking


def _difference(source: str, held: Mapping[str, Held]) -> tuple[set[str], list[Write]]:
    stored = {image["metadata"]["name"]: image for image in objects.list_objects(kinds.IMAGE).items}
    writes: list[Write] = []
    lacking: set[str] = set()
    wanted = {name_of(image_id): (image_id, each) for image_id, each in held.items()}
    for name, image in stored.items():
        if name not in wanted:
            change = partial(without, source=source)
            if change(image) is not None:
                writes.append(Patch(kinds.IMAGE, "", name, change, "status", image["metadata"]["uid"]))
    for name, (image_id, each) in wanted.items():
        if name in stored:
            change = partial(_with, source=source, held=each, facts=_facts(image_id, each, stored[name]))
            if change(stored[name]) is not None:
                writes.append(Patch(kinds.IMAGE, "", name, change, "status"))
            continue
        facts = _facts(image_id, each, None)
        if facts is None:
            lacking.add(image_id)
        else:
            writes.append(Create(kinds.IMAGE, _new(name, {**facts, "sources": [each.wire(source)]})))
    return lacking, writes


def _facts(image_id: str, held: Held, stored: Wire | None) -> Wire | None:
    """What its documents say, where that is news: sizes come with the first manifest."""
    known = stored is not None and (not held.manifest or (stored.get("status") or {}).get("sizeBytes"))
    if known or not held.config:
        return None
    try:
        return documents.read(image_id, held.config, held.manifest)
    except documents.Unreadable as error:
        log.warning("image %s: %s", image_id, error)
        return None


def _new(name: str, status: Wire) -> Wire:
    return {
        "apiVersion": kinds.IMAGE.api_version,
        "kind": kinds.IMAGE.kind,
        "metadata": {"name": name},
        "status": status,
    }


def _with(image: Wire, *, source: str, held: Held, facts: Wire | None) -> Wire | None:
    status = image.get("status") or {}
    others = [each for each in status.get("sources") or () if each["name"] != source]
    sources = sorted([*others, held.wire(source)], key=lambda each: str(each["name"]))
    changed = {**status, **(facts or {}), "sources": sources}
    return {**image, "status": changed} if changed != status else None


def without(image: Wire, *, source: str) -> Wire | None:
    """None where it was no source of it."""
    status = image.get("status") or {}
    sources = status.get("sources") or []
    left = [each for each in sources if each["name"] != source]
    return {**image, "status": {**status, "sources": left}} if left != sources else None
