"""Image references as Docker writes them (pure).

``redis`` means ``docker.io/library/redis:latest``. A first part is a host when it has a dot or a colon, or is
``localhost``; the grammar is that of github.com/distribution/reference.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from nodeagent.errors import InvalidImageName

DOCKER_HUB = "docker.io"
_DOCKER_HUB_SERVER = "registry-1.docker.io"

_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])"
    r"(?::[0-9]{1,5})?",
    re.ASCII,
)
_PATH_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Reference:
    """What to pull: a repository on a host, by tag or, where there is one, by digest (which then alone decides)."""

    host: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def selector(self) -> str:
        """What goes into ``/v2/<repository>/manifests/<selector>``."""
        return self.digest or self.tag

    @property
    def server(self) -> str:
        """The host (and port) to connect to, which for Docker Hub is not the name it is known by."""
        return server_of(self.host)

    def at(self, digest: str) -> Reference:
        """The same repository pinned to a digest."""
        return Reference(self.host, self.repository, "", digest)


def server_of(host: str) -> str:
    return _DOCKER_HUB_SERVER if host == DOCKER_HUB else host


def parse(text: str) -> Reference:
    """Raises `InvalidImageName` with a sentence that says what is wrong where."""
    if not text:
        raise InvalidImageName("the image name is empty; write for example 'redis:7'")
    name, digest = _cut_digest(text)
    name, tag = _cut_tag(text, name)
    host, repository = _split_host(name)
    _check_name(text, host, repository)
    return Reference(host, repository, tag or ("" if digest else "latest"), digest)


def _cut_digest(text: str) -> tuple[str, str]:
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"the digest {digest!r} is not 'sha256:' and 64 lower-case hexadecimal digits")
    return name, digest


def _cut_tag(text: str, name: str) -> tuple[str, str]:
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag or (not head):
        return name, ""
    if "/" not in head and head.startswith("[") and not head.endswith("]"):
        return name, ""
    if not _TAG.fullmatch(tag):
        raise _invalid(text, f"the tag {tag!r} is not up to 128 letters, digits, '_', '.' and '-'")
    return head, tag


def _split_host(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    if not is_host:
        return DOCKER_HUB, name if slash else f"library/{name}"
    if first in (DOCKER_HUB, "index.docker.io", _DOCKER_HUB_SERVER):
        return DOCKER_HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest


def _check_name(text: str, host: str, repository: str) -> None:
    if not _HOST.fullmatch(host) or not _port_is_right(host):
        raise _invalid(text, f"{host!r} is not a host name with an optional port")
    if len(host) + 1 + len(repository) > _LONGEST_NAME:
        raise _invalid(text, f"the name is longer than {_LONGEST_NAME} characters")
    for part in repository.split("/"):
        if not _PATH_PART.fullmatch(part):
            raise _invalid(text, f"the name's part {part!r} is not lower-case letters, digits and single '.', '_', '-'")
    if re.fullmatch(r"[0-9a-f]{64}", repository.removeprefix("library/")) and host == DOCKER_HUB:
        raise _invalid(text, "64 hexadecimal digits are an image id, not a name")


def _port_is_right(host: str) -> bool:
    port = host.rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
    return not port or 0 < int(port) < 65536


def _invalid(text: str, why: str) -> InvalidImageName:
    shown = text if len(text) <= 300 else text[:300] + "…"
    return InvalidImageName(f"image name {shown!r}: {why}")


def is_loopback(host: str) -> bool:
    """Whether ``host`` (with or without a port) can only be this machine: there plain http is as good as TLS."""
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
