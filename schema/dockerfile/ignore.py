"""``.dockerignore`` and ``COPY --exclude``, as Docker reads them. Pure.

Patterns are Go's ``filepath.Match`` with ``**`` for any number of directories; ``!`` takes something in again; the last pattern
that matches decides. A pattern that matches a directory matches all in it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    expression: re.Pattern[str]
    includes: bool


class Ignore:
    def __init__(self, text: str) -> None:
        self.patterns = [found for line in text.splitlines() if (found := _pattern(line)) is not None]

    @property
    def has_exceptions(self) -> bool:
        """Then a directory that is left out may hold something that is not."""
        return any(pattern.includes for pattern in self.patterns)

    def excludes(self, path: str) -> bool:
        """``path`` is relative, with ``/`` between its parts."""
        parts = path.split("/")
        ways = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        excluded = False
        for pattern in self.patterns:
            if any(pattern.expression.fullmatch(way) for way in ways):
                excluded = not pattern.includes
        return excluded


def _pattern(line: str) -> Pattern | None:
    text = line.strip().lstrip("\ufeff")
    if not text or text.startswith("#"):
        return None
    includes = text.startswith("!")
    text = posixpath.normpath(text[1:].strip() if includes else text).lstrip("/")
    return None if text in ("", ".") else Pattern(matching(text), includes)


def matching(pattern: str) -> re.Pattern[str]:
    """What ``pattern`` stands for, by itself."""
    return re.compile(_expression(pattern), re.DOTALL)


def _expression(pattern: str) -> str:
    out, position = "", 0
    while position < len(pattern):
        letter = pattern[position]
        if pattern.startswith("**", position):
            position += 2
            if pattern.startswith("/", position):
                position += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
            continue
        position += 1
        if letter == "*":
            out += "[^/]*"
        elif letter == "?":
            out += "[^/]"
        elif letter == "[":
            taken, position = _class(pattern, position)
            out += taken
        elif letter == "\\" and position < len(pattern):
            out += re.escape(pattern[position])
            position += 1
        else:
            out += re.escape(letter)
    return out


def _class(pattern: str, start: int) -> tuple[str, int]:
    """``[a-z]``, ``[^a]``: what follows the bracket, and where it ends; a bracket that does not close is a letter."""
    end = pattern.find("]", start + 1)
    if end < 0:
        return re.escape("["), start
    inner = pattern[start:end].replace("\\", "\\\\")
    return f"[{inner}]", end + 1
