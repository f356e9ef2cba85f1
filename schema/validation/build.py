"""Build: a Dockerfile from somewhere, names that an image may have, and nothing that changes while it is built."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from schema.base import Wire
from schema.dockerfile import stages
from schema.dockerfile.errors import DockerfileError
from schema.slipway.build import Build, BuildContext, BuildGit, BuildSpec
from schema.validation import resources
from schema.validation.causes import Problems
from schema.validation.names import check_labels, config_key_fault, subdomain_fault

LONGEST_NAME = 52
"""The pod's name adds ``-build-<attempt>`` and its label has 63 letters at most."""
LONGEST_DOCKERFILE = 512 * 1024
MAY_CHANGE = frozenset({"attempt", "ttlSecondsAfterFinished"})
_SCHEMES = frozenset({"http", "https", "git", "ssh"})
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PLATFORM = re.compile(r"linux/(amd64|arm64|arm(/v[5-8])?|386|ppc64le|s390x|riscv64)", re.ASCII)
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_HOST = re.compile(r"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)


def check(build: Build, problems: Problems) -> None:
    spec = build.spec
    if len(build.metadata.name) > LONGEST_NAME:
        problems.invalid("metadata.name", build.metadata.name, f"must be no more than {LONGEST_NAME} characters")
    _check_context(spec, problems)
    _check_dockerfile(spec, problems)
    _check_inputs(spec, problems)
    if not spec.tags:
        problems.required("spec.tags", "what the image is to be called")
    for index, tag in enumerate(spec.tags):
        if fault := tag_fault(tag):
            problems.invalid(f"spec.tags[{index}]", tag, fault)
    if spec.platform and not _PLATFORM.fullmatch(spec.platform):
        problems.invalid("spec.platform", spec.platform, "must be linux/<architecture>, as linux/amd64 or linux/arm64")
    if spec.timeout_seconds == 0:
        problems.invalid("spec.timeoutSeconds", 0, "must be greater than 0")
    if spec.attempt < 1:
        problems.invalid("spec.attempt", spec.attempt, "must be greater than 0")
    resources.check(spec.resources, "spec.resources", problems)
    check_labels(spec.node_selector, "spec.nodeSelector", problems)


def _check_context(spec: BuildSpec, problems: Problems) -> None:
    context = spec.context
    if context is None or not (context.upload or context.git):
        if not spec.dockerfile:
            problems.required("spec.context", "upload: true or git, where there is no inline spec.dockerfile")
        return
    _check_source(context, problems)


def _check_source(context: BuildContext, problems: Problems) -> None:
    if context.upload and context.git is not None:
        problems.invalid("spec.context", "", "upload and git cannot be both set")
    if context.git is not None:
        _check_git(context.git, problems)


def _check_git(git: BuildGit, problems: Problems) -> None:
    path = "spec.context.git"
    try:
        parts = urlsplit(git.url)
        sound = parts.scheme in _SCHEMES and bool(parts.hostname)
    except ValueError:
        sound = False
    if not sound or any(letter.isspace() for letter in git.url):
        problems.invalid(f"{path}.url", git.url, f"must be {', '.join(sorted(_SCHEMES))}:// and a host")
    elif parts.password:
        problems.invalid(f"{path}.url", "<redacted>", "must hold no password: put it into a Secret, secretName")
    if git.ref.startswith("-") or any(letter.isspace() for letter in git.ref):
        problems.invalid(f"{path}.ref", git.ref, "must be a branch, a tag or a commit")
    if not is_inside(git.subdirectory):
        problems.invalid(f"{path}.subdirectory", git.subdirectory, "must be a path within the repository")
    if git.secret_name and (fault := subdomain_fault(git.secret_name)):
        problems.invalid(f"{path}.secretName", git.secret_name, fault)


def _check_dockerfile(spec: BuildSpec, problems: Problems) -> None:
    if not is_inside(spec.dockerfile_path):
        problems.invalid("spec.dockerfilePath", spec.dockerfile_path, "must be a path within the context")
    if spec.dockerfile and spec.dockerfile_path:
        problems.invalid("spec.dockerfilePath", spec.dockerfile_path, "cannot be set beside an inline spec.dockerfile")
    if len(spec.dockerfile.encode()) > LONGEST_DOCKERFILE:
        problems.too_long("spec.dockerfile", LONGEST_DOCKERFILE)
    elif spec.dockerfile:
        try:
            plan = stages.plan(spec.dockerfile, {one.name: one.value for one in spec.args})
        except DockerfileError as fault:
            problems.add("FieldValueInvalid", "spec.dockerfile", f"Invalid value: line {fault.line}: {fault.reason}")
            return
        _check_target(plan, spec, problems)


def _check_target(plan: stages.Plan, spec: BuildSpec, problems: Problems) -> None:
    try:
        wanted = stages.needed(plan, stages.target(plan, spec.target))
    except DockerfileError as fault:
        problems.invalid("spec.target", spec.target, fault.reason)
        return
    if spec.context is None:
        for source in stages.sources(plan, wanted):
            line, keyword = source.instruction.line, source.instruction.keyword
            why = f"line {line}: {keyword} takes {source.path!r} from the context, and there is no spec.context"
            problems.add("FieldValueInvalid", "spec.dockerfile", f"Invalid value: {why}")
            return


def _check_inputs(spec: BuildSpec, problems: Problems) -> None:
    seen: set[str] = set()
    for index, argument in enumerate(spec.args):
        if not _ARGUMENT.fullmatch(argument.name):
            problems.invalid(f"spec.args[{index}].name", argument.name, "must be letters, digits and _")
        if argument.name in seen:
            problems.duplicate(f"spec.args[{index}].name", argument.name)
        seen.add(argument.name)
    ids: set[str] = set()
    for index, secret in enumerate(spec.secrets):
        path = f"spec.secrets[{index}]"
        if not _ID.fullmatch(secret.id):
            problems.invalid(f"{path}.id", secret.id, "must be letters, digits, '_', '.' and '-'")
        if secret.id in ids:
            problems.duplicate(f"{path}.id", secret.id)
        ids.add(secret.id)
        if fault := subdomain_fault(secret.secret_name):
            problems.invalid(f"{path}.secretName", secret.secret_name, fault)
        if secret.key and (fault := config_key_fault(secret.key)):
            problems.invalid(f"{path}.key", secret.key, fault)


def check_update(new: Wire, old: Wire, problems: Problems) -> None:
    given, stored = new.get("spec") or {}, old.get("spec") or {}
    for name in sorted(given.keys() | stored.keys()):
        if name not in MAY_CHANGE and given.get(name) != stored.get(name):
            problems.immutable(f"spec.{name}", given.get(name) if name != "dockerfile" else "…")
    if given.get("attempt", 1) < stored.get("attempt", 1):
        problems.invalid("spec.attempt", given.get("attempt"), "must not become less")


def is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def tag_fault(text: str) -> str:
    """Why a built image cannot be called so; empty if it can."""
    if "@" in text:
        return "must not hold a digest: that is what the build finds out"
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        name, tag = text, "latest"
    if not _TAG.fullmatch(tag):
        return "the tag must be up to 128 letters, digits, '_', '.' and '-'"
    host, slash, rest = name.partition("/")
    if not (slash and ("." in host or ":" in host or host == "localhost")):
        host, rest = "docker.io", name
    if not _HOST.fullmatch(host):
        return f"{host!r} is no host name with an optional port"
    if len(host) + 1 + len(rest) > 255:
        return "must be no more than 255 characters"
    for part in rest.split("/"):
        if not _PART.fullmatch(part):
            return f"its part {part!r} must be lower-case letters, digits and single '.', '_', '-'"
    return ""
