"""Which resource a path names: ``/api/v1/…`` and ``/apis/<group>/<version>/…``, with or without a trailing slash."""

from __future__ import annotations

from dataclasses import dataclass

from controlplane.store import definitions
from schema import kinds
from schema.base import Wire
from schema.kinds import Kind, Version

NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True)
class Target:
    """What a request is about. ``name`` is empty for a collection, ``namespace`` for all of them or none."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    version: Version | None = None
    """Where the path names another version than the stored one, which is that of ``kind``."""

    @property
    def ruling(self) -> Kind:
        """The kind whose rules an object is held to. Versions of a custom kind differ in nothing but their schemas, and who
        writes in one is held to that one."""
        return self.served if self.kind.custom is not None else self.kind

    @property
    def served(self) -> Kind:
        """The kind in the version that the client speaks."""
        return self.version.kind if self.version is not None else self.kind

    def shown(self, stored: Wire) -> Wire:
        """A stored object in the version that the client speaks."""
        return self.version.from_stored(stored) if self.version is not None else stored


def parse(path: str) -> Target | None:
    """The target of a path; None where no kind is served there."""
    if "\x00" in path:  # no name has one, and PostgreSQL would not even take the question
        return None
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        return _target("", parts[1], parts[2:])
    if parts[:1] == ["apis"] and len(parts) > 3:
        return _target(parts[1], parts[2], parts[3:])
    return None


def _target(group: str, version: str, rest: list[str]) -> Target | None:
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    other = kinds.version(group, version, rest[0])
    kind = other.stored if other is not None else kinds.by_plural(group, version, rest[0])
    if kind is None and group:
        other = definitions.current().version(group, version, rest[0])
        kind = other.stored if other is not None else None
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        return None
    name = rest[1] if len(rest) > 1 else ""
    if name and kind.namespaced and not namespace:
        return None
    return Target(kind, namespace, name, rest[2] if len(rest) > 2 else "", other)
