"""Who has or fetches which layer, as far as this node keeps track of it. Pure but for the clock that it is given.

Whoever is about to fetch a layer asks the node that keeps track of it for sources, and is a source from then on, since a layer
is passed on while it still comes in. So of five nodes that begin together one goes to the registry, and the others follow one
another. An asker is never sent to one that began after it, so nobody waits for each other in a circle.

What is known here is a hint: it is lost with the agent, it may be wrong, and whoever follows it verifies what comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST_KEYS = 20_000
_MOST_SOURCES = 3
_FOLLOWERS = 2
"""Sent to one source before the next is chosen."""
_FETCHING_SECONDS = 600.0
_HAVING_SECONDS = 24 * 3600.0


@dataclass
class _Source:
    until: float
    order: int
    given: int = 0
    """How many were sent to it lately."""


@dataclass
class Tracker:
    _keys: dict[str, dict[str, _Source]] = field(default_factory=dict)
    _count: int = 0

    def want(self, key: str, node: str, now: float, *, is_serving: bool = True) -> list[str]:
        """Nodes to get it from, best first; none: from the registry. ``node`` is a source from now on, if it serves."""
        sources = self._alive(key, now)
        mine = sources.pop(node, None)
        chosen = sorted(sources, key=lambda one: (sources[one].given // _FOLLOWERS, sources[one].order))[:_MOST_SOURCES]
        if chosen:
            sources[chosen[0]].given += 1
        if is_serving:
            self._put(key, node, _Source(now + _FETCHING_SECONDS, self._next(), mine.given if mine else 0))
        return chosen

    def have(self, key: str, node: str, now: float) -> None:
        known = self._alive(key, now).get(node)
        order, given = (known.order, known.given) if known else (self._next(), 0)
        self._put(key, node, _Source(now + _HAVING_SECONDS, order, given))

    def drop(self, key: str, node: str) -> None:
        sources = self._keys.get(key, {})
        sources.pop(node, None)
        if not sources:
            self._keys.pop(key, None)

    def _alive(self, key: str, now: float) -> dict[str, _Source]:
        sources = self._keys.get(key, {})
        for node in [node for node, source in sources.items() if source.until <= now]:
            del sources[node]
        return sources

    def _put(self, key: str, node: str, source: _Source) -> None:
        while len(self._keys) >= _MOST_KEYS and key not in self._keys:
            del self._keys[next(iter(self._keys))]
        self._keys.setdefault(key, {})[node] = source

    def _next(self) -> int:
        self._count += 1
        return self._count
