"""Sets of indexes as text: ``1,3-5,7``, ascending, as an Indexed job's status has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_PART = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?", re.ASCII)


class IndexesError(ValueError):
    """The text is no set of indexes."""


def parse(text: str) -> list[tuple[int, int]]:
    """First and last of each interval. Raises `IndexesError`."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        match = _PART.fullmatch(part)
        if match is None:
            raise IndexesError(f"{part!r} is neither an index nor an interval such as 3-5")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first or (found and first <= found[-1][1]):
            raise IndexesError(f"{part!r}: indexes must be ascending and named once")
        found.append((first, last))
    return found


def read(text: str | None, below: int | None = None) -> set[int]:
    """The indexes; those of ``below`` and above are left out. What cannot be read is empty."""
    try:
        intervals = parse(text or "")
    except IndexesError:
        return set()
    return {
        index
        for first, last in intervals
        for index in range(first, (last if below is None else min(last, below - 1)) + 1)
    }


def write(indexes: Iterable[int]) -> str:
    """Three or more in a row become an interval; two are named, as Kubernetes writes them."""
    return ",".join(_parts(sorted(indexes)))


def _parts(ordered: list[int]) -> Iterator[str]:
    start = 0
    while start < len(ordered):
        end = start
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        first, last = ordered[start], ordered[end]
        if end - start >= 2:
            yield f"{first}-{last}"
        else:
            yield from (str(each) for each in ordered[start : end + 1])
        start = end + 1
