"""``$setElementOrder``: where the elements of a merged list go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def in_order(items: list[Any], patch: list[Any], order: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    """The elements that ``order`` names stand as it says; the server's own others keep their place among them.

    An element that is not named goes before the first named one that followed it where it was (Kubernetes merges the
    two sequences so), and elements of the patch that the order forgot go to the end.
    """
    rank = {_hashable(each): position for position, each in enumerate(order)}
    in_patch = {_hashable(key(each)) for each in patch}
    named = sorted((each for each in items if _hashable(key(each)) in rank), key=lambda e: rank[_hashable(key(e))])
    others = [each for each in items if _hashable(key(each)) not in rank]
    kept = [each for each in others if _hashable(key(each)) not in in_patch]
    forgotten = [each for each in others if _hashable(key(each)) in in_patch]
    place = {id(each): position for position, each in enumerate(items)}
    result: list[Any] = []
    while named and kept:
        # The one that stood earlier goes first.
        first = named if place[id(named[0])] < place[id(kept[0])] else kept
        result.append(first.pop(0))
    return [*result, *named, *kept, *forgotten]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else repr(value)
