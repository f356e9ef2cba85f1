"""What the registry may let go. Pure: `decide` gets what is there and what is needed, and says what goes.

Live are the manifests that a tag means, those whose digest the cluster needs (`usage`), and the manifests of live indexes.
What no live manifest needs is written down with the time at which that was first seen; it goes once it has been so for the
whole grace, and was itself pushed longer ago. So a pull that began while the tag still meant it has the grace to end.

Order matters to whoever is interrupted: manifests go before the layers that they need, links before blobs. What is left behind
is garbage, never an image with a hole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from controlplane.registry.manifests import Manifest

Ledger = Mapping[str, float]
"""What is not needed, and since when (Unix time)."""


@dataclass(frozen=True)
class Held:
    """One repository: digests with the times at which they were pushed."""

    tags: Mapping[str, str]
    """Name to digest."""
    revisions: Mapping[str, float]
    layers: Mapping[str, float]


@dataclass(frozen=True)
class Inventory:
    repositories: Mapping[str, Held]
    manifests: Mapping[str, Manifest]
    """Of all revisions."""
    blobs: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Digest to size and time of writing."""


@dataclass(frozen=True)
class Doomed:
    """What of one repository goes."""

    revisions: Sequence[str] = ()
    layers: Sequence[str] = ()


@dataclass(frozen=True)
class Decision:
    repositories: Mapping[str, Doomed]
    blobs: Sequence[str]
    ledger: dict[str, float]


@dataclass(frozen=True)
class Clock:
    now: float
    grace: float


def decide(inventory: Inventory, needed: Collection[str], ledger: Ledger, clock: Clock) -> Decision:
    seen = _Ledger(ledger, clock)
    doomed: dict[str, Doomed] = {}
    kept_anywhere: set[str] = set()
    live_anywhere: set[str] = set()
    for path, held in inventory.repositories.items():
        found = of_repository(path, held, inventory.manifests, needed, seen)
        kept = [one for one in held.revisions if one not in set(found.revisions)]
        live = live_of(held, inventory.manifests, needed)
        kept_anywhere.update(kept, closure(kept, inventory.manifests))
        kept_anywhere.update(one for one in held.layers if one not in set(found.layers))
        live_anywhere.update(live, closure(live, inventory.manifests))
        if found.revisions or found.layers:
            doomed[path] = found
    blobs = []
    for digest, (_, written) in inventory.blobs.items():
        if digest not in live_anywhere and seen.is_over(f"blob {digest}", written) and digest not in kept_anywhere:
            blobs.append(digest)
    return Decision(doomed, blobs, seen.noted)


def of_repository(
    path: str, held: Held, manifests: Mapping[str, Manifest], needed: Collection[str], seen: _Ledger
) -> Doomed:
    live = live_of(held, manifests, needed)
    used = closure(live, manifests)
    revisions = [
        digest
        for digest, pushed in held.revisions.items()
        if digest not in live and seen.is_over(f"manifest {path} {digest}", pushed)
    ]
    kept = closure([one for one in held.revisions if one not in set(revisions)], manifests)
    layers = [
        digest
        for digest, pushed in held.layers.items()
        if digest not in used and seen.is_over(f"layer {path} {digest}", pushed) and digest not in kept
    ]
    return Doomed(revisions, layers)


def live_of(held: Held, manifests: Mapping[str, Manifest], needed: Collection[str]) -> set[str]:
    """Revisions that stay: tagged, needed, or part of one that does."""
    waiting = [*held.tags.values(), *(digest for digest in held.revisions if digest in needed)]
    live: set[str] = set()
    while waiting:
        digest = waiting.pop()
        if digest not in live:
            live.add(digest)
            waiting += manifests.get(digest, Manifest("")).children
    return live


def closure(digests: Iterable[str], manifests: Mapping[str, Manifest]) -> set[str]:
    """The blobs that these manifests need, children and configurations too."""
    found: set[str] = set()
    for digest in digests:
        manifest = manifests.get(digest, Manifest(""))
        found.update(blob for blob, _ in manifest.blobs)
        found.update(manifest.children)
    return found


class _Ledger:
    def __init__(self, before: Ledger, clock: Clock) -> None:
        self._before, self._clock = before, clock
        self.noted: dict[str, float] = {}

    def is_over(self, key: str, written: float) -> bool:
        """Note that it is not needed; whether it has been so for the grace. What was written later counts from then."""
        since = max(self._before.get(key, self._clock.now), written)
        self.noted[key] = since
        return self._clock.now - since >= self._clock.grace
