"""Keys that come twice in one JSON object: parsers keep the last one silently, `fieldValidation` wants to know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class _Marked(dict[str, Any]):
    """An object of the document that knows which of its keys came more than once."""

    repeated: frozenset[str] = frozenset()


def _mark(pairs: list[tuple[str, Any]]) -> _Marked:
    marked = _Marked(pairs)
    if len(marked) < len(pairs):
        names = [name for name, _ in pairs]
        marked.repeated = frozenset(name for name in marked if names.count(name) > 1)
    return marked


def duplicate_fields(body: bytes | str) -> list[str]:
    """Paths of keys that occur more than once in their object. Raises ValueError for what is no JSON."""
    return list(_walk(json.loads(body, object_pairs_hook=_mark), ""))


def _walk(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for position, each in enumerate(value):
            yield from _walk(each, f"{path}[{position}]")
    elif isinstance(value, _Marked):
        for name, each in value.items():
            here = f"{path}.{name}" if path else name
            if name in value.repeated:
                yield here
            yield from _walk(each, here)
