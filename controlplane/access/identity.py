"""Who asks. Made by authentication, read by authorization; holds no credential."""

from __future__ import annotations

from dataclasses import dataclass

AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"
NODES = "system:nodes"
NODE_PREFIX = "system:node:"


@dataclass(frozen=True)
class Permission:
    """A role in a namespace; an empty namespace is all of them."""

    role: str
    namespace: str


@dataclass(frozen=True)
class Identity:
    """``name`` and ``groups`` are as Kubernetes would show them (``kubectl auth whoami``)."""

    name: str
    groups: tuple[str, ...] = ()
    node: str | None = None
    """The node whose credential this is; None for people."""
    superuser: bool = False
    permissions: frozenset[Permission] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        """What DRF and Django ask of a user."""
        return True

    @property
    def username(self) -> str:
        return self.name


def of_node(node: str) -> Identity:
    return Identity(name=NODE_PREFIX + node, groups=(NODES, AUTHENTICATED), node=node)
