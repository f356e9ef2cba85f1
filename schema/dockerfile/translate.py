"""A Dockerfile in the words of a builder that knows no heredocs, and little of ``--link``, ``--network`` and the like.

Each instruction becomes one line. A RUN with heredocs becomes its exec form, with the heredoc inside the shell's
command; the heredocs of COPY and ADD become files of a context of their own, `CONTEXT`, and so does what ADD fetches with a
checksum or clones, and what COPY takes with ``--parents`` or ``--exclude``. The command of a step without network ends with
a comment that says so: it is in the step's key of the cache, and in the history of the image.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from schema.dockerfile import rules, words
from schema.dockerfile.parser import Heredoc, Instruction
from schema.dockerfile.stages import Environment, Plan, Stage

CONTEXT = "slipway-heredocs"
_FLAGS = re.compile(r"(--[^ ]+ )*")
OFFLINE = "# --network=none"
DEFAULT_SHELL = ["/bin/sh", "-c"]


@dataclass(frozen=True)
class Line:
    text: str
    origin: Instruction


@dataclass(frozen=True)
class Fetched:
    """What ADD takes from elsewhere, to be there as a file or directory before the build begins."""

    source: str
    checksum: str
    """``sha256:…`` of a file; empty for a git repository."""
    keep_git: bool
    line: int


@dataclass(frozen=True)
class Selected:
    """What COPY takes from the build's context, to be there before the build begins: less what is excluded, and with
    ``parents`` along with the directories on the way."""

    sources: tuple[str, ...]
    excluded: tuple[str, ...]
    parents: bool
    line: int


@dataclass
class Translated:
    text: str
    lines: list[list[Line]]
    """Of each stage."""
    files: dict[str, str] = field(default_factory=dict)
    """Of the context of heredocs: path to content."""
    fetched: dict[str, Fetched] = field(default_factory=dict)
    """Of the same context."""
    selected: dict[str, Selected] = field(default_factory=dict)
    """Directory of the same context to what is in it."""
    offline: list[list[str]] = field(default_factory=list)
    """Commands in exec form that have no network; those of a shell end with `OFFLINE`."""


def translate(
    plan: Plan,
    environments: Mapping[str, Mapping[str, str]] | None = None,
    names: Mapping[str, str] | None = None,
) -> Translated:
    """``environments``: the variables that images from elsewhere bring, by the name in FROM; ``names``: their full names."""
    result = Translated("", [])
    inherited: dict[int, tuple[dict[str, str], list[str]]] = {}
    for stage in plan.stages:
        made = _stage(plan, stage, result, inherited, environments or {})
        result.lines.append([Line(_named(each.text, stage, names or {}), each.origin) for each in made])
    result.text = "".join(f"{line.text}\n" for lines in result.lines for line in lines)
    return result


_FROM = re.compile(r"(?<=[ ,]from=)[^, ]+|(?<=--from=)[^ ]+")


def _named(line: str, stage: Stage, names: Mapping[str, str]) -> str:
    """With the full names of images from elsewhere, so that none of them can mean anything else."""
    keyword, _, rest = line.partition(" ")
    if keyword == "FROM":
        platform = f"--platform={stage.platform} " if stage.platform else ""
        alias = f" AS {stage.name}" if stage.name else ""
        return f"FROM {platform}{names.get(stage.base, stage.base)}{alias}"
    if keyword not in ("COPY", "RUN"):
        return line
    flags = _FLAGS.match(rest)
    end = flags.end() if flags else 0
    return f"{keyword} {_FROM.sub(lambda found: names.get(found[0], found[0]), rest[:end])}{rest[end:]}"


def _stage(
    plan: Plan,
    stage: Stage,
    result: Translated,
    inherited: dict[int, tuple[dict[str, str], list[str]]],
    environments: Mapping[str, Mapping[str, str]],
) -> list[Line]:
    earlier = next((one for one in reversed(plan.stages[: stage.number]) if one.name == stage.base.lower()), None)
    given, shell = inherited[earlier.number] if earlier and earlier.name else ({}, DEFAULT_SHELL)
    environment = Environment(plan, {**environments.get(stage.base, {}), **given})
    lines: list[Line] = []
    for number, one in enumerate(stage.instructions):
        environment.take(one)
        if one.keyword == "SHELL":
            shell = words.json_array(one.rest) or shell
        made = _lines(one, f"{stage.number}-{number}", shell, environment.values, plan.dockerfile.escape, result)
        lines += [Line(text, one) for text in made]
    inherited[stage.number] = environment.environment, shell
    return lines


def _lines(
    one: Instruction, place: str, shell: list[str], values: Mapping[str, str], escape: str, result: Translated
) -> list[str]:
    if one.keyword == "RUN" and one.heredocs:
        command = _command(one, shell)
        if one.flag("network") == "none":
            command[-1] += OFFLINE
        return [f"RUN {_flags(one)}{json.dumps(command)}"]
    if one.keyword == "RUN" and one.flag("network") == "none":
        return [_offline(one, escape, result)]
    if one.keyword in ("COPY", "ADD") and one.heredocs:
        return _copies(one, place, values, escape, result.files)
    if one.keyword == "COPY" and rules.selects(one):
        return [_selected(one, place, values, escape, result)]
    if one.keyword == "ADD" and (fetched := _fetched(one, place, values, escape, result)):
        return [fetched]
    return [f"{one.keyword} {_flags(one)}{_rest(one, escape)}"]


def _offline(one: Instruction, escape: str, result: Translated) -> str:
    command = words.json_array(one.rest)
    if command is None:
        return f"RUN {_flags(one)}{_rest(one, escape)} {OFFLINE}"
    result.offline.append(command)
    return f"RUN {_flags(one)}{one.rest}"


def _fetched(one: Instruction, place: str, values: Mapping[str, str], escape: str, result: Translated) -> str:
    """The COPY in the place of an ADD that fetches what the builder cannot; empty for any other."""
    given = words.json_array(one.rest) or words.split(one.rest, escape)
    source, checksum = (words.expand(text, values, escape) for text in (given[0], one.flag("checksum")))
    if not checksum and not rules.is_repository(source):
        return ""
    name = (
        "tree"
        if not checksum
        else re.sub(r"[^A-Za-z0-9._-]", "_", source.partition("?")[0].rpartition("/")[2]) or "file"
    )
    keep = one.is_set("keep-git-dir")
    result.fetched[f"{place}/{name}"] = Fetched(source, checksum, keep, one.line)
    return f"COPY --from={CONTEXT} {_flags(one)}{place}/{name}{'' if checksum else '/'} {given[-1]}"


def _selected(one: Instruction, place: str, values: Mapping[str, str], escape: str, result: Translated) -> str:
    array = words.json_array(one.rest)
    given = array if array is not None else words.split(one.rest, escape)
    sources = tuple(words.expand(word, values, escape) for word in given[:-1])
    excluded = tuple(words.expand(value, values, escape) for name, value in one.flags if name == "exclude")
    parents = one.is_set("parents")
    result.selected[place] = Selected(sources, excluded, parents, one.line)
    taken = [""] if parents else [posixpath.normpath(f"/{source}").lstrip("/") for source in sources]
    target = given[-1] if array is not None else given[-1].strip("\"'")
    described = json.dumps([*(f"{place}/{path}".replace("$", "\\$") for path in taken), target])
    return f"COPY --from={CONTEXT} {_flags(one)}{described}"


def _rest(one: Instruction, escape: str) -> str:
    """A builder that is not told of another escape character knows the backslash only."""
    return one.rest if escape == "\\" else one.rest.replace("\\", "\\\\").replace(escape, "\\")


def _flags(one: Instruction) -> str:
    dropped = {"link", "network", "start-interval", "keep-git-dir", "checksum", "parents", "exclude"}
    kept = [(name, value) for name, value in one.flags if name not in dropped]
    return "".join(f"--{name}={value} " for name, value in kept)


def _command(one: Instruction, shell: list[str]) -> list[str]:
    first = one.heredocs[0]
    alone = len(one.heredocs) == 1 and words.split(one.rest)[0].lstrip("<-\"'").rstrip("\"'") == first.name
    if alone and len(words.split(one.rest)) == 1:
        return _script(first.text) if first.text.startswith("#!") else [*shell, first.text]
    bodies = "".join(f"{each.text}{each.name}\n" for each in one.heredocs)
    return [*shell, f"{one.rest}\n{bodies}"]


def _script(text: str) -> list[str]:
    """A script with a first line ``#!``: its interpreter reads it from the shell's heredoc."""
    interpreter, _, _ = text[2:].partition("\n")
    end = "SLIPWAY_END"
    while end in text:
        end += "_"
    return [*DEFAULT_SHELL, f"{interpreter.strip()} /dev/fd/3 3<<'{end}'\n{text}{end}\n"]


def _copies(one: Instruction, place: str, values: Mapping[str, str], escape: str, files: dict[str, str]) -> list[str]:
    given = words.split(one.rest, escape)
    plain = [word for word in given[:-1] if "<<" not in word]
    named = []
    for heredoc in one.heredocs:
        path = f"{place}/{heredoc.name}"
        files[path] = _expanded(heredoc, values, escape)
        named.append(path)
    made = [f"COPY --from={CONTEXT} {_flags(one)}{' '.join(named)} {given[-1]}"]
    if plain:
        made.append(f"{one.keyword} {_flags(one)}{' '.join(plain)} {given[-1]}")
    return made


def _expanded(heredoc: Heredoc, values: Mapping[str, str], escape: str) -> str:
    return heredoc.text if heredoc.literal else words.expand(heredoc.text, values, escape, quotes=False)
