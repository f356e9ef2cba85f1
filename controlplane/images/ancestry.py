"""How images descend from one another: which layers they share, which one another is built on. Pure.

An image is built on another when its layers begin with all of the other's (and are more). The base is the one with the most
layers among those, other than an earlier build of the same repository.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schema.base import Wire

MOST_RELATIVES = 50


@dataclass(frozen=True)
class Known:
    """What matters of an image here."""

    name: str
    layers: tuple[str, ...]
    references: tuple[str, ...]


def known(image: Wire) -> Known:
    status = image.get("status") or {}
    layers = tuple(each.get("diffID", "") for each in status.get("layers") or ())
    return Known(image["metadata"]["name"], layers, tuple(references(image)))


def references(image: Wire) -> list[str]:
    """All names by which somebody knows it."""
    sources = (image.get("status") or {}).get("sources") or ()
    return sorted({name for source in sources for name in source.get("references") or ()})


def digests(image: Wire) -> set[str]:
    """All ``repository@digest`` that lead to it."""
    sources = (image.get("status") or {}).get("sources") or ()
    return {name for source in sources for name in source.get("digests") or ()}


def base_of(image: Known, others: Iterable[Known]) -> Known | None:
    found = [
        other
        for other in others
        if other.name != image.name and other.layers and _is_built_on(image.layers, other.layers)
    ]
    return max(found, key=lambda other: (len(other.layers), bool(other.references), other.name), default=None)


def built_on(image: Known, others: Iterable[Known]) -> list[Known]:
    if not image.layers:
        return []
    return [other for other in others if other.name != image.name and _is_built_on(other.layers, image.layers)]


def _is_built_on(layers: Sequence[str], base: Sequence[str]) -> bool:
    return len(layers) > len(base) and tuple(layers[: len(base)]) == tuple(base)


def sharers(image: Known, others: Iterable[Known]) -> Mapping[str, list[Known]]:
    """Other images by the layer that they have as well."""
    own, found = set(image.layers), defaultdict(list)
    for other in others:
        if other.name != image.name:
            for layer in own.intersection(other.layers):
                found[layer].append(other)
    return found


def describe(image: Wire, others: Sequence[Wire]) -> Wire:
    """``layers``, ``base``, ``builtOnIt`` of the document."""
    own, rest = known(image), [known(other) for other in others]
    base = base_of(own, rest)
    shared = sharers(own, rest)
    below = len(base.layers) if base else 0
    layers = (image.get("status") or {}).get("layers") or ()
    return {
        "layers": [
            {
                **layer,
                "fromBase": position < below,
                "sharedBy": [_named(other) for other in shared.get(layer.get("diffID", ""), ())][:MOST_RELATIVES],
            }
            for position, layer in enumerate(layers)
        ],
        "base": {**_named(base), "layers": below} if base else None,
        "builtOnIt": [_named(other) for other in built_on(own, rest)][:MOST_RELATIVES],
    }


def _named(image: Known) -> Wire:
    return {"name": image.name, "references": list(image.references)}
