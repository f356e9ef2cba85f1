"""What other resolvers said, until its time is over, and beyond that for when none of them answers (RFC 8767). Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from nodeagent.network.dns.packets import Stored

ENTRIES = 10_000
STALE_SECONDS = 3600.0


@dataclass(frozen=True)
class Entry:
    stored: Stored
    since: float

    def age(self, now: float) -> int:
        return int(now - self.since)

    def is_fresh(self, now: float) -> bool:
        return now - self.since < self.stored.seconds


class Cache:
    """The entry that was not asked for longest makes room."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._limit = entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable, now: float) -> Entry | None:
        """Fresh or stale."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now - entry.since >= entry.stored.seconds + STALE_SECONDS:
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Hashable, stored: Stored, now: float) -> None:
        if stored.seconds <= 0:
            return
        self._entries[key] = Entry(stored, now)
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def clear(self) -> None:
        self._entries.clear()
