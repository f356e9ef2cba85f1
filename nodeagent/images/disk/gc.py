"""Which images may go (pure), in this order (before all of them goes what is kept for other nodes, `Shelf.trim_blobs`):

1. images that nobody names any more (a tag moved on), least recently used first: always;
2. images that nobody ran for ``unused_seconds``: always;
3. while the file system is fuller than ``disk_high_percent``, of bytes or of inodes: the rest, least recently used first,
   until it would be down to ``disk_low_percent``.

Never an image that a container's root stands on, nor one that came or was used in the last two minutes (its pod is on its
way). An image's layers go when no other image has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from nodeagent.images.disk.state import State
from nodeagent.images.settings import ImageSettings

YOUNG_SECONDS = 120.0


@dataclass(frozen=True)
class Disk:
    total_bytes: int
    free_bytes: int
    total_inodes: int = 0
    """0 where the file system makes them as it needs them."""
    free_inodes: int = 0

    @property
    def used_percent(self) -> float:
        """Of bytes or inodes, whichever is scarcer."""
        by_inodes = 100 - 100 * self.free_inodes / self.total_inodes if self.total_inodes else 0.0
        return max(100 - 100 * self.free_bytes / max(self.total_bytes, 1), by_inodes)

    def is_over(self, percent: float, less: Size | None = None) -> bool:
        less = less or Size()
        return (
            self.total_bytes - self.free_bytes - less.bytes > self.total_bytes * percent / 100
            or self.total_inodes - self.free_inodes - less.inodes > self.total_inodes * percent / 100
        )


@dataclass(frozen=True)
class Size:
    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(self.bytes + other.bytes, self.inodes + other.inodes)


def plan(
    state: State, *, running: Set[str], used_at: Mapping[str, float], now: float, disk: Disk, settings: ImageSettings
) -> list[str]:
    """Ids of the images to remove, in order. ``running``: ids of images with a container; ``used_at``: unix times."""
    last = {key: max(record.pulled_at, used_at.get(key, 0.0)) for key, record in state.images.items()}
    candidates = [key for key in state.images if key not in running and now - last[key] >= YOUNG_SECONDS]
    candidates.sort(key=lambda key: last[key])
    named = {record.image_id for record in state.references.values() if not record.implied}
    doomed = [key for key in candidates if key not in named]
    doomed += [key for key in candidates if key in named and now - last[key] >= settings.unused_seconds]
    return doomed + _under_pressure(state, [key for key in candidates if key not in doomed], doomed, disk, settings)


def _under_pressure(
    state: State, candidates: list[str], doomed: list[str], disk: Disk, settings: ImageSettings
) -> list[str]:
    users = Counter(diff_id for record in state.images.values() for diff_id in set(record.layers))
    freed = sum((_give_up(state, key, users) for key in doomed), Size())
    if not disk.is_over(settings.disk_high_percent, freed):
        return []
    chosen = []
    for key in candidates:
        if not disk.is_over(settings.disk_low_percent, freed):
            break
        chosen.append(key)
        freed += _give_up(state, key, users)
    return chosen


def _give_up(state: State, key: str, users: Counter[str]) -> Size:
    """What comes free with an image, now that it no longer counts as a user of its layers."""
    freed = Size()
    for diff_id in set(state.images[key].layers):
        users[diff_id] -= 1
        if users[diff_id] == 0 and diff_id in state.layers:
            freed += Size(state.layers[diff_id].size_bytes, state.layers[diff_id].entries)
    return freed
