"""What each instruction may be. `check` raises `DockerfileError`, and says what the builder cannot do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from schema.dockerfile import words
from schema.dockerfile.errors import DockerfileError
from schema.dockerfile.parser import Instruction

_FLAGS: Mapping[str, frozenset[str]] = {
    "FROM": frozenset({"platform"}),
    "COPY": frozenset({"from", "chown", "chmod", "link", "parents", "exclude"}),
    "ADD": frozenset({"chown", "chmod", "link", "keep-git-dir", "checksum"}),
    "RUN": frozenset({"mount", "network"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "start-interval", "retries"}),
}
_ELSEWHERE: Mapping[tuple[str, str], str] = {
    ("ADD", "exclude"): "COPY has it; or name it in .dockerignore",
    ("RUN", "security"): "no step runs with the node's rights",
}
_MOUNTS = frozenset({"bind", "cache", "secret", "tmpfs"})
_PORT = re.compile(r"\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0")
_STAGE = re.compile(r"[a-z][a-z0-9._-]*")
_CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}")
_GIT = re.compile(r"(git@|git://|ssh://)|https?://[^ ]+\.git(#.*)?$")


def check(one: Instruction) -> None:
    _check_flags(one)
    rule = _RULES.get(one.keyword)
    if rule is not None and (fault := rule(one)):
        raise DockerfileError(one.line, fault)


def _check_flags(one: Instruction) -> None:
    known = _FLAGS.get(one.keyword, frozenset())
    for name, value in one.flags:
        if name not in known:
            instead = _ELSEWHERE.get((one.keyword, name))
            why = f"is not supported: {instead}" if instead else f"is unknown; there are: {_listed(known)}"
            raise DockerfileError(one.line, f"{one.keyword} --{name} {why}")
        if not value and name not in ("link", "keep-git-dir", "parents"):
            raise DockerfileError(one.line, f"{one.keyword} --{name} needs a value: --{name}=…")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(f"--{name}" for name in sorted(names)) or "none"


def _from(one: Instruction) -> str:
    parts = one.rest.split()
    if len(parts) == 1:
        return ""
    if len(parts) != 3 or parts[1].upper() != "AS":
        return "FROM takes an image, and AS with a name if wanted: FROM image AS name"
    return "" if _STAGE.fullmatch(parts[2].lower()) else f"{parts[2]!r} is no name for a stage"


def _copy(one: Instruction) -> str:
    array = words.json_array(one.rest)
    given = array if array is not None else words.split(one.rest)
    if len(given) < 2:
        return f"{one.keyword} needs at least one source and a destination"
    if len(given) > 2 and not given[-1].strip("\"'").endswith(("/", ".", "}")):
        return f"with more than one source the destination of {one.keyword} must end with /"
    return _fetched(one, given[:-1], given[-1]) if one.keyword == "ADD" else _selected(one)


def selects(one: Instruction) -> str:
    """The flag by which COPY takes a part of what it names, or takes it along with its directories; empty without one."""
    return "--parents" if one.is_set("parents") else "--exclude" if one.flag("exclude") else ""


def _selected(one: Instruction) -> str:
    flag = selects(one)
    if flag and one.flag("from"):
        return (
            f"COPY {flag} with --from is not supported: RUN --mount=type=bind,from={one.flag('from')} with cp can do it"
        )
    return f"COPY {flag} with a heredoc is not supported: write two" if flag and one.heredocs else ""


def is_repository(source: str) -> bool:
    """Whether ADD clones it."""
    return _GIT.match(source) is not None


def _fetched(one: Instruction, sources: list[str], target: str) -> str:
    checksum, repositories = one.flag("checksum"), [source for source in sources if is_repository(source)]
    if (checksum or repositories) and len(sources) > 1:
        return f"ADD {'--checksum' if checksum else 'of a git repository'} takes one source: write one ADD for each"
    if repositories:
        return "a git repository has no --checksum: name a commit, as …/app.git#<commit>" if checksum else ""
    if checksum and "$" not in checksum and not _CHECKSUM.fullmatch(checksum):
        return f"ADD --checksum={checksum}: sha256: and 64 hexadecimal digits are needed"
    if checksum and "$" not in sources[0] and not sources[0].startswith(("http://", "https://")):
        return f"ADD --checksum is for http:// and https:// addresses, not for {sources[0]!r}"
    if checksum and target.endswith("/") and sources[0].endswith("/"):
        return f"{sources[0]} ends without a file's name, and {target} is a directory: name the file"
    return ""


def mounts(one: Instruction) -> Iterator[dict[str, str]]:
    """The options of each ``--mount`` of a RUN."""
    for name, value in one.flags:
        if name == "mount":
            yield {key: text for key, _, text in (part.partition("=") for part in value.split(","))}


def _run(one: Instruction) -> str:
    if (network := one.flag("network")) not in ("", "default", "none"):
        return f"RUN --network={network} is not supported; there are: default (the network of the build's pod), none"
    for mount in mounts(one):
        kind = mount.get("type", "bind")
        if kind not in _MOUNTS:
            return f"RUN --mount=type={kind} is not supported; there are: {', '.join(sorted(_MOUNTS))}"
        if kind == "secret" and "env" in mount:
            return "RUN --mount=type=secret with env= is not supported: read the file /run/secrets/<id>"
    return ""


def _exec_form(one: Instruction) -> str:
    return "" if words.json_array(one.rest) else f'{one.keyword} needs the JSON form: {one.keyword} ["/bin/sh", "-c"]'


def _pairs(one: Instruction) -> str:
    return "" if words.pairs(one.rest) is not None else f"{one.keyword} takes name=value, and more of them if wanted"


def _one_word(one: Instruction) -> str:
    return "" if len(words.split(one.rest)) == 1 else f"{one.keyword} takes exactly one argument"


def _arg(one: Instruction) -> str:
    for word in words.split(one.rest):
        name = word.partition("=")[0]
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            return f"{name!r} is no name for an ARG"
    return ""


def _expose(one: Instruction) -> str:
    for word in words.split(one.rest):
        if "$" in word:
            continue
        if not _PORT.fullmatch(word) or any(int(port) > 65535 for port in re.findall(r"\d+", word)):
            return f"{word!r} is no port: EXPOSE takes 80, 53/udp or 8000-8010"
    return ""


def _health(one: Instruction) -> str:
    for name, value in one.flags:
        right = value.isdecimal() if name == "retries" else _DURATION.fullmatch(value)
        if not right and "$" not in value:
            return (
                f"HEALTHCHECK --{name}={value}: {'a number' if name == 'retries' else 'a time such as 30s'} is needed"
            )
    kind, _, command = one.rest.partition(" ")
    if kind.upper() == "NONE":
        return "HEALTHCHECK NONE takes nothing else" if command.strip() or one.flags else ""
    if kind.upper() != "CMD" or not command.strip():
        return "HEALTHCHECK takes NONE, or CMD and a command"
    return ""


def _onbuild(one: Instruction) -> str:
    keyword, _, rest = one.rest.partition(" ")
    if keyword.upper() in ("FROM", "ONBUILD", "MAINTAINER"):
        return f"ONBUILD {keyword.upper()} is not allowed"
    if keyword.upper() not in _RULES and keyword.upper() not in ("CMD", "ENTRYPOINT", "VOLUME", "USER"):
        return f"there is no instruction {keyword!r} for ONBUILD"
    for flag in ("--parents", "--exclude"):
        if keyword.upper() == "COPY" and any(word.partition("=")[0] == flag for word in rest.split()):
            return f"ONBUILD COPY {flag} is not supported: write it into the Dockerfile that is built upon this"
    return "" if rest.strip() else f"ONBUILD {keyword.upper()} needs an argument"


_RULES: Mapping[str, Callable[[Instruction], str]] = {
    "FROM": _from,
    "COPY": _copy,
    "ADD": _copy,
    "RUN": _run,
    "SHELL": _exec_form,
    "ENV": _pairs,
    "LABEL": _pairs,
    "WORKDIR": lambda one: "",
    "STOPSIGNAL": _one_word,
    "ARG": _arg,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health,
    "ONBUILD": _onbuild,
}
