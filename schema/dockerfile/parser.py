"""From the text of a Dockerfile to its instructions, with their lines, flags and heredocs."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field

from schema.dockerfile import words
from schema.dockerfile.errors import DockerfileError

MAX_BYTES = 1024 * 1024
KEYWORDS = frozenset(
    [
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
        *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    ]
)
_WITH_FLAGS = frozenset({"ADD", "COPY", "FROM", "HEALTHCHECK", "RUN"})
_WITH_HEREDOCS = frozenset({"ADD", "COPY", "RUN"})
_DIRECTIVE = re.compile(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*")
_KEYWORD = re.compile(r"([A-Za-z]+)(?:\s+(.*))?", re.DOTALL)
_HEREDOC = re.compile(r"(\d*)<<(-?)(\"?)('?)([A-Za-z_][A-Za-z0-9_.]*)\4\3")


@dataclass(frozen=True)
class Heredoc:
    name: str
    """Its delimiter; for COPY also the name of the file."""
    text: str
    literal: bool
    """Its delimiter is quoted: variables stay as they are."""
    tabs: bool
    """``<<-``: leading tabs are taken off."""


@dataclass(frozen=True)
class Instruction:
    keyword: str
    flags: tuple[tuple[str, str], ...]
    """``--mount=type=cache`` is ("mount", "type=cache"); without a value it is ""."""
    rest: str
    """What follows the flags, continued lines joined."""
    line: int
    """Where it begins, from 1."""
    heredocs: tuple[Heredoc, ...] = ()

    def flag(self, name: str) -> str:
        return next((value for known, value in self.flags if known == name), "")

    def is_set(self, name: str) -> bool:
        """Of a flag that is on or off."""
        return any(known == name and value in ("", "true", "1") for known, value in self.flags)

    @property
    def shown(self) -> str:
        """For people: on one line, not too long."""
        flags = "".join(f"--{name}={value} " if value else f"--{name} " for name, value in self.flags)
        text = " ".join(f"{self.keyword} {flags}{self.rest}".split())
        if self.heredocs and self.keyword == "RUN":
            text += f" ({' '.join(self.heredocs[0].text.split())[:60]})"
        return text if len(text) <= 200 else f"{text[:199]}…"


@dataclass
class Dockerfile:
    instructions: list[Instruction]
    escape: str = "\\"
    warnings: list[str] = field(default_factory=list)


def parse(text: str) -> Dockerfile:
    """Raises `DockerfileError`. What the instructions mean is `stages`' to check."""
    if "\0" in text:
        raise DockerfileError(text[: text.index("\0")].count("\n") + 1, "it holds a zero byte: this is no Dockerfile")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    escape, first = _directives(lines)
    parsed = Dockerfile([], escape)
    reader = _Reader(lines, first, escape)
    while (found := reader.logical()) is not None:
        number, logical = found
        parsed.instructions.append(_instruction(number, logical, reader, parsed))
    if not parsed.instructions:
        raise DockerfileError(1, "there is no instruction in it")
    return parsed


def _directives(lines: list[str]) -> tuple[str, int]:
    """The escape character, and the first line that is no directive."""
    escape = "\\"
    for number, line in enumerate(lines):
        found = _DIRECTIVE.fullmatch(line.strip())
        if found is None or found[1].lower() not in ("syntax", "escape", "check"):
            return escape, number
        if found[1].lower() == "escape":
            if found[2] not in ("\\", "`"):
                raise DockerfileError(number + 1, f"the escape character is \\ or `, not {found[2]!r}")
            escape = found[2]
    return escape, len(lines)


class _Reader:
    def __init__(self, lines: list[str], first: int, escape: str) -> None:
        self._lines, self._next = lines, first
        self._continued = re.compile(re.escape(escape) + r"[ \t]*$")

    def logical(self) -> tuple[int, str] | None:
        """The number of its first line, and the line with those that continue it."""
        text, start = "", 0
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            if not line.strip() or line.lstrip().startswith("#"):
                continue  # within a continued line as well
            if not start:
                start, line = self._next, line.lstrip()
            if self._continued.search(line):
                text += self._continued.sub("", line)
                continue
            return start, text + line
        return (start, text) if start else None

    def heredoc(self, delimiter: str, start: int, *, tabs: bool) -> str:
        taken: list[str] = []
        while self._next < len(self._lines):
            line = self._lines[self._next]
            self._next += 1
            line = line.lstrip("\t") if tabs else line
            if line == delimiter:
                return "".join(f"{one}\n" for one in taken)
            taken.append(line)
        raise DockerfileError(start, f"the heredoc <<{delimiter} has no end: a line with just {delimiter}")


def _instruction(number: int, logical: str, reader: _Reader, parsed: Dockerfile) -> Instruction:
    found = _KEYWORD.fullmatch(logical.strip())
    keyword = found[1].upper() if found else ""
    if found is None or keyword not in KEYWORDS:
        raise DockerfileError(number, _unknown(logical.split()[0] if logical.split() else logical))
    rest = (found[2] or "").strip()
    if not rest:
        raise DockerfileError(number, f"{keyword} needs an argument")
    flags, rest = _flags(rest, number) if keyword in _WITH_FLAGS else ((), rest)
    return Instruction(keyword, flags, rest, number, _heredocs(keyword, rest, number, reader, parsed.escape))


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word.upper(), KEYWORDS, n=1)
    return f"there is no instruction {word[:40]!r}" + (f" (did you mean {near[0]}?)" if near else "")


def _flags(rest: str, number: int) -> tuple[tuple[tuple[str, str], ...], str]:
    flags: list[tuple[str, str]] = []
    while rest.startswith("--"):
        word = words.split(rest)[0]
        if word == "--":
            return tuple(flags), rest[2:].strip()
        name, _, value = word[2:].partition("=")
        if not name:
            raise DockerfileError(number, f"{word!r} is no option")
        flags.append((name, value))
        rest = rest[len(word) :].strip()
    return tuple(flags), rest


def _heredocs(keyword: str, rest: str, number: int, reader: _Reader, escape: str) -> tuple[Heredoc, ...]:
    if keyword not in _WITH_HEREDOCS or "<<" not in rest or words.json_array(rest) is not None:
        return ()
    found: list[Heredoc] = []
    for word in words.split(rest, escape):
        start = word.find("<<")
        match = _HEREDOC.fullmatch(word) or (_HEREDOC.match(word, start) if keyword == "RUN" and start > 0 else None)
        if match is None or word.startswith(("'", '"')):
            continue
        tabs, literal = bool(match[2]), bool(match[3] or match[4])
        found.append(Heredoc(match[5], reader.heredoc(match[5], number, tabs=tabs), literal, tabs))
    return tuple(found)
