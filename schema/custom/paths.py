"""JSONPath as definitions use it: ``.spec.replicas``, ``.status.conditions[?(@.type=="Ready")].status``, ``.spec.hosts[*]``.

`plain` reads those that name one field (scale, selectable fields); `Path` all of them (columns). What kubectl's dialect
allows beyond that (ranges of text, unions of paths) no definition needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schema.base import Wire

_PLAIN = re.compile(r"(\.[A-Za-z_][A-Za-z0-9_-]*|\['(?:[^'\\]|\\.)+'\])+")
_FIELD = re.compile(r"\.?\['((?:[^'\\]|\\.)*)'\]|\.?\[\"((?:[^\"\\]|\\.)*)\"\]|\.((?:[^\s.\[\]\\*'\"(){}@?,]|\\.)+)")
_INDEX = re.compile(r"\.?\[(-?\d{0,9})(?:(:)(-?\d{0,9})(?::(\d{1,9}))?)?\]|\.?\[(\*)\]|\.(\*)")
_UNION = re.compile(r"\.?\[(-?\d{1,9}(?:,-?\d{1,9})+)\]")
_FILTER = re.compile(
    r"\.?\[\?\(\s*@((?:[^'\"<>=!]|'[^']*')*?)\s*(?:(==|!=|<=|>=|<|>)\s*(\"[^\"]*\"|'[^']*'|[-\w.@]+))?\s*\)\]"
)
_DEEP = re.compile(r"\.\.((?:[A-Za-z_][\w-]*)|\*)")
MAX_LENGTH = 1024

Step = Callable[[Iterable[Any]], Iterator[Any]]


class PathError(ValueError):
    """It is no path that we understand."""


@dataclass(frozen=True)
class Path:
    steps: tuple[Step, ...]

    def values(self, wire: Wire) -> list[Any]:
        """All that is there."""
        found: Iterable[Any] = [wire]
        for step in self.steps:
            found = step(found)
        return list(found)


def plain(text: str) -> tuple[str, ...]:
    """``(spec, replicas)`` of ``.spec.replicas``. Raises `PathError`."""
    if len(text) > MAX_LENGTH or not _PLAIN.fullmatch(text):
        raise PathError("must be the path of one field, such as .spec.replicas")
    return tuple(_name(match) for match in _FIELD.finditer(text))


@lru_cache(maxsize=2048)
def compiled(text: str) -> Path:
    """Raises `PathError`."""
    if len(text) > MAX_LENGTH:
        raise PathError(f"must have at most {MAX_LENGTH} characters")
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    if text and not text.startswith((".", "[")):
        text = f".{text}"
    return Path(tuple(_steps(text)))


def _steps(text: str) -> Iterator[Step]:
    position = 0
    while position < len(text) and text[position:] != ".":
        step, position = _step(text, position)
        yield step


def _step(text: str, position: int) -> tuple[Step, int]:
    if match := _DEEP.match(text, position):
        return _below(match[1]), match.end()
    if match := _FIELD.match(text, position):
        return _field(_name(match)), match.end()
    if match := _UNION.match(text, position):
        return _at([int(each) for each in match[1].split(",")]), match.end()
    if match := _INDEX.match(text, position):
        return _index(match), match.end()
    if match := _FILTER.match(text, position):
        return _filter(match), match.end()
    raise PathError(f"cannot be read from {text[position : position + 20]!r} on")


def _name(match: re.Match[str]) -> str:
    given = match[1] if match[1] is not None else match[2] if match[2] is not None else match[3]
    return re.sub(r"\\(.)", r"\1", given)


def _field(name: str) -> Step:
    return lambda found: (each[name] for each in found if isinstance(each, dict) and name in each)


def _below(name: str) -> Step:
    def walk(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for key, each in value.items():
                if name in ("*", key):
                    yield each
                yield from walk(each)
        elif isinstance(value, list):
            for each in value:
                if name == "*":
                    yield each
                yield from walk(each)

    return lambda found: (each for start in found for each in walk(start))


def _at(positions: list[int]) -> Step:
    def take(found: Iterable[Any]) -> Iterator[Any]:
        for each in found:
            if isinstance(each, list):
                yield from (each[index] for index in positions if -len(each) <= index < len(each))

    return take


def _index(match: re.Match[str]) -> Step:
    start, colon, end, step, star, dotted = match.groups()
    if star or dotted:
        return lambda found: (one for each in found for one in _elements(each))
    if colon:
        part = slice(
            int(start) if start else None, int(end) if end else None, int(step) if step and int(step) else None
        )
        return lambda found: (one for each in found if isinstance(each, list) for one in each[part])
    if not start:
        raise PathError("has an empty index")
    return _at([int(start)])


def _elements(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()


def _filter(match: re.Match[str]) -> Step:
    inner, operator, literal = match.groups()
    path = compiled(inner)

    def keep(found: Iterable[Any]) -> Iterator[Any]:
        for each in found:
            for element in _elements(each):
                values = path.values(element)
                if values and (not operator or _compare(operator, values[0], _literal(literal))):
                    yield element

    return keep


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _compare(operator: str, left: Any, right: Any) -> bool:
    if operator == "==":
        return bool(left == right)
    if operator == "!=":
        return bool(left != right)
    try:
        return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])
    except TypeError:
        return False
