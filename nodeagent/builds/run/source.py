"""The Dockerfile of a build, checked against its context before anything runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.builds.run.errors import Failure
from nodeagent.builds.run.status import Status
from schema.dockerfile import parser, stages
from schema.dockerfile.errors import DockerfileError
from schema.dockerfile.stages import Plan, Stage


@dataclass
class Source:
    plan: Plan
    needed: list[Stage]
    target: Stage
    name: str
    """What messages call the Dockerfile."""


def read(spec: Mapping[str, Any], context: Path, status: Status) -> Source:
    """Raises `Failure`: BadDockerfile, MissingFile, MissingSecret, each with the line."""
    name, text = _text(spec, context)
    given = {one["name"]: one.get("value", "") for one in spec.get("args") or ()}
    try:
        plan = stages.plan(text, given)
        target = stages.target(plan, spec.get("target") or "")
    except DockerfileError as error:
        raise Failure("BadDockerfile", error.located(name), line=error.line) from None
    source = Source(plan, stages.needed(plan, target), target, name)
    for warning in plan.warnings:
        status.warn(f"{name}: {warning}")
    _check_files(source, context)
    _check_secrets(source, spec)
    _check_arguments(source, given, status)
    return source


def _text(spec: Mapping[str, Any], context: Path) -> tuple[str, str]:
    if spec.get("dockerfile"):
        return "Dockerfile", str(spec["dockerfile"])
    path = spec.get("dockerfilePath") or "Dockerfile"
    found = (context / path).resolve()
    if not found.is_relative_to(context.resolve()) or not found.is_file():
        raise Failure("MissingFile", f"there is no {path} in the context")
    if found.stat().st_size > parser.MAX_BYTES:
        raise Failure("BadDockerfile", f"{path} is larger than {parser.MAX_BYTES} bytes")
    try:
        return path, found.read_text()
    except UnicodeDecodeError:
        raise Failure("BadDockerfile", f"{path} is no text in UTF-8") from None


def _check_files(source: Source, context: Path) -> None:
    for wanted in stages.sources(source.plan, source.needed):
        if not _is_there(context, wanted.path):
            line, keyword = wanted.instruction.line, wanted.instruction.keyword
            hint = "" if wanted.path.startswith("..") else " (or .dockerignore names it)"
            message = f"{source.name}:{line}: {keyword} takes {wanted.path!r}, which is not in the context{hint}"
            raise Failure("MissingFile", message, line=line)


def _is_there(context: Path, path: str) -> bool:
    """A path, or a pattern as Go's filepath.Match has them. A leading ``/`` is the context's root; ``..`` stops there."""
    inside = os.path.normpath("/" + path).lstrip("/")
    if not inside:
        return True
    if os.path.lexists(context / inside):
        return True
    return any(char in inside for char in "*?[") and next(context.glob(inside), None) is not None


def _check_secrets(source: Source, spec: Mapping[str, Any]) -> None:
    known = {secret["id"] for secret in spec.get("secrets") or ()}
    for name, required, where in stages.secrets(source.needed):
        if required and name not in known:
            message = f"{source.name}:{where.line}: it requires the secret {name!r}, which spec.secrets does not name"
            raise Failure("MissingSecret", message, line=where.line)


def _check_arguments(source: Source, given: Mapping[str, str], status: Status) -> None:
    """What is given and never asked for is a mistake that somebody should hear of."""
    declared = {
        word.partition("=")[0]
        for one in source.plan.dockerfile.instructions
        if one.keyword == "ARG"
        for word in one.rest.split()
    }
    for name in given:
        if name not in declared and not name.lower().endswith("_proxy"):
            status.warn(f"the build argument {name} is not declared by any ARG")
