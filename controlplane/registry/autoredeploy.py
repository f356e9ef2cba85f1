"""What autoredeploy does with one workload. Pure.

A workload annotated ``slipway.dev/autoredeploy: "true"`` is held to digests (`pins`): those that its images' tags meant when it
was first seen, and from then on those that are pushed. Which digest was acted upon is remembered (`models.SeenDigest`), so that
``kubectl rollout undo`` stays undone until something new is pushed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controlplane.registry import names, pins
from schema.base import Wire

ASKED = "slipway.dev/autoredeploy"


@dataclass(frozen=True)
class Move:
    """An image of the workload, and the digest to which it goes."""

    image: str
    digest: str
    first: bool
    """It was not held to any digest before."""


def is_asked(workload: Wire) -> bool:
    return _annotations(workload).get(ASKED) == "true"


def watched(workload: Wire) -> list[tuple[str, names.Image]]:
    """Its images that are named by a tag alone, as written and as read."""
    found = []
    for written in pins.images(_template(workload)) if is_asked(workload) else ():
        image = names.parse(written)
        if image is not None and image.tag and not image.digest:
            found.append((written, image))
    return found


def moves(workload: Wire, meant: Mapping[str, str], seen: Mapping[str, str]) -> list[Move]:
    """``meant``: images as written, and what their tags mean now, as far as it is known; ``seen``: what was acted upon."""
    pinned = pins.of(_template(workload))
    found = []
    for written, _ in watched(workload):
        digest = meant.get(written)
        if digest is None or pinned.get(written) == digest:
            continue
        if written not in pinned or seen.get(written) != digest:
            found.append(Move(written, digest, first=written not in pinned))
    return found


def moved(workload: Wire, chosen: list[Move]) -> Wire | None:
    """The workload held to these digests; None where nothing differs."""
    if not chosen:
        return None
    template = _template(workload)
    pinned = {**pins.of(template), **{move.image: move.digest for move in chosen}}
    return {**workload, "spec": {**workload["spec"], "template": pins.set_on(template, pinned)}}


def released(workload: Wire) -> Wire | None:
    """Somebody took the annotation away: its tags mean again what they mean; None where it was not held."""
    template = _template(workload)
    if is_asked(workload) or not pins.of(template):
        return None
    return {**workload, "spec": {**workload["spec"], "template": pins.set_on(template, {})}}


def _template(workload: Wire) -> Wire:
    found = (workload.get("spec") or {}).get("template")
    return found if isinstance(found, dict) else {}


def _annotations(workload: Wire) -> Mapping[str, str]:
    found = (workload.get("metadata") or {}).get("annotations")
    return found if isinstance(found, dict) else {}
