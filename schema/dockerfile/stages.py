"""The stages of a Dockerfile: which images they begin with, which of them a target needs, which files they take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from schema.dockerfile import parser, rules, words
from schema.dockerfile.errors import DockerfileError
from schema.dockerfile.parser import Dockerfile, Instruction

SCRATCH = "scratch"
_REMOTE = ("http://", "https://", "ftp://")


@dataclass
class Stage:
    number: int
    base: str
    """What FROM names, variables put in."""
    name: str
    """Of AS, in lower case; empty where it has none."""
    instructions: list[Instruction]
    """FROM first."""
    platform: str = ""


@dataclass
class Plan:
    """A Dockerfile that was checked."""

    dockerfile: Dockerfile
    stages: list[Stage]
    arguments: Mapping[str, str]
    """ARGs before the first FROM, with the values given."""
    given: Mapping[str, str]
    """Build arguments."""
    warnings: list[str] = field(default_factory=list)

    def find(self, name: str) -> Stage | None:
        """A stage by its name or number."""
        by_name = next((stage for stage in reversed(self.stages) if name and stage.name == name.lower()), None)
        if by_name is None and name.isdecimal() and int(name) < len(self.stages):
            return self.stages[int(name)]
        return by_name


@dataclass(frozen=True)
class Image:
    """An image from elsewhere that a stage needs."""

    name: str
    line: int
    platform: str = ""


@dataclass(frozen=True)
class Source:
    """A file, directory or pattern of the context that COPY or ADD takes."""

    path: str
    instruction: Instruction


def plan(text: str, given: Mapping[str, str] | None = None) -> Plan:
    """Raises `DockerfileError` with the first fault. ``given`` are the build arguments."""
    dockerfile = parser.parse(text)
    result = Plan(dockerfile, [], {}, given or {})
    globals_: dict[str, str] = {}
    for one in dockerfile.instructions:
        rules.check(one)
        if one.keyword == "FROM":
            result.stages.append(_stage(one, result, globals_))
        elif result.stages:
            result.stages[-1].instructions.append(one)
            _check_references(one, result)
        elif one.keyword == "ARG":
            globals_.update(_declared(one, globals_, result.given, dockerfile.escape))
        else:
            raise DockerfileError(one.line, f"{one.keyword} comes before FROM; only ARG may")
        if one.keyword == "MAINTAINER":
            result.warnings.append(f"line {one.line}: MAINTAINER is deprecated; use LABEL maintainer=…")
    if not result.stages:
        raise DockerfileError(dockerfile.instructions[-1].line, "there is no FROM in it")
    result.arguments = globals_
    return result


def _stage(one: Instruction, so_far: Plan, globals_: Mapping[str, str]) -> Stage:
    parts = one.rest.split()
    escape = so_far.dockerfile.escape
    name = parts[2].lower() if len(parts) == 3 else ""
    base = words.expand(parts[0], globals_, escape)
    if not base:
        raise DockerfileError(
            one.line, f"FROM {parts[0]}: no value is given for it; give the ARG before FROM a default"
        )
    if name and any(stage.name == name for stage in so_far.stages):
        raise DockerfileError(one.line, f"there is a stage {name!r} already")
    return Stage(len(so_far.stages), base, name, [one], words.expand(one.flag("platform"), globals_, escape))


def _check_references(one: Instruction, so_far: Plan) -> None:
    """A stage can take from those before it only."""
    own = so_far.stages[-1]
    for name in _taken_from(one):
        if own.name and name.lower() == own.name:
            raise DockerfileError(one.line, f"stage {name!r} cannot take from itself")
        if name.isdecimal() and int(name) >= own.number:
            raise DockerfileError(one.line, f"there is no stage {name} before this one")


def _taken_from(one: Instruction) -> Iterator[str]:
    if one.keyword == "COPY" and one.flag("from"):
        yield one.flag("from")
    if one.keyword == "RUN":
        yield from (mount["from"] for mount in rules.mounts(one) if mount.get("from"))


def _declared(one: Instruction, known: Mapping[str, str], given: Mapping[str, str], escape: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words.split(one.rest, escape):
        name, equals, default = word.partition("=")
        if name in given:
            found[name] = given[name]
        elif equals:
            found[name] = words.expand(default, {**known, **found}, escape)
    return found


def target(plan: Plan, name: str) -> Stage:
    """The stage to build. Raises `DockerfileError` for one that is not there."""
    if not name:
        return plan.stages[-1]
    found = plan.find(name)
    if found is None:
        names = ", ".join(stage.name for stage in plan.stages if stage.name) or "none has a name"
        raise DockerfileError(1, f"there is no stage {name!r} to build ({names})")
    return found


def needed(plan: Plan, wanted: Stage) -> list[Stage]:
    """The stage and those that it takes from, in their order."""
    found: dict[int, Stage] = {}
    waiting = [wanted]
    while waiting:
        stage = waiting.pop()
        if stage.number in found:
            continue
        found[stage.number] = stage
        names = [stage.base, *(name for one in stage.instructions for name in _taken_from(one))]
        waiting += [other for name in names if (other := _before(plan, stage, name)) is not None]
    return [found[number] for number in sorted(found)]


def _before(plan: Plan, stage: Stage, name: str) -> Stage | None:
    earlier = Plan(plan.dockerfile, plan.stages[: stage.number], {}, {})
    return earlier.find(name) if name != stage.base or not name.isdecimal() else None


def images(plan: Plan, stages: list[Stage]) -> list[Image]:
    """Those from elsewhere, each once."""
    found: dict[str, Image] = {}
    for stage in stages:
        if stage.base != SCRATCH and _before(plan, stage, stage.base) is None:
            found.setdefault(stage.base, Image(stage.base, stage.instructions[0].line, stage.platform))
        for one in stage.instructions:
            for name in _taken_from(one):
                if _before(plan, stage, name) is None and "$" not in name:
                    found.setdefault(name, Image(name, one.line))
    return list(found.values())


def secrets(stages: list[Stage]) -> Iterator[tuple[str, bool, Instruction]]:
    """(id, required, where) of the secrets that steps ask for."""
    for stage in stages:
        for one in stage.instructions:
            for mount in rules.mounts(one) if one.keyword == "RUN" else ():
                if mount.get("type") == "secret":
                    name = mount.get("id") or (mount.get("target") or mount.get("dst") or "").rpartition("/")[2]
                    yield name, "required" in mount and mount["required"] in ("", "true", "1"), one


class Environment:
    """The variables of a stage, as they are at an instruction: feed it with `take`, one after the other."""

    def __init__(self, plan: Plan, inherited: Mapping[str, str] | None = None) -> None:
        self._plan = plan
        self._arguments: dict[str, str] = {}
        self.environment = dict(inherited or {})

    @property
    def values(self) -> dict[str, str]:
        return {**self._arguments, **self.environment}

    def take(self, one: Instruction) -> None:
        escape = self._plan.dockerfile.escape
        if one.keyword == "ARG":
            for word in words.split(one.rest, escape):
                name, equals, _ = word.partition("=")
                if name in self._plan.given:
                    self._arguments[name] = self._plan.given[name]
                elif not equals and name in self._plan.arguments:
                    self._arguments[name] = self._plan.arguments[name]
                elif equals:
                    self._arguments[name] = words.expand(word.partition("=")[2], self.values, escape)
        elif one.keyword == "ENV":
            before = self.values
            for name, value in words.pairs(one.rest, escape) or ():
                self.environment[name] = words.expand(value, before, escape)


def sources(plan: Plan, stages: list[Stage]) -> Iterator[Source]:
    """What COPY and ADD take from the context, as far as it can be known before anything runs."""
    for stage in stages:
        environment = Environment(plan)
        for one in stage.instructions:
            environment.take(one)
            if one.keyword not in ("COPY", "ADD") or one.flag("from"):
                continue
            array = words.json_array(one.rest)
            for word in (array if array is not None else words.split(one.rest, plan.dockerfile.escape))[:-1]:
                if "<<" in word or word.startswith(_REMOTE) or rules.is_repository(word):
                    continue
                try:
                    path = words.expand(word, environment.values, plan.dockerfile.escape, strict=True)
                except words.Unknown:
                    continue
                if path and not path.startswith(_REMOTE) and not rules.is_repository(path):
                    yield Source(path, one)
