"""May they? Closed unless something opens it.

Superusers may do everything. Nodes may do what `node` lists, and only for what concerns them. Everybody else may do
what the roles they hold (`models.Grant`) allow in the namespace asked for, and nothing otherwise.

The dots of `Role`, each including the one before:

* ``view``: read everything in the namespace but Secrets, and logs.
* ``edit``: read and write everything in the namespace, Secrets too; exec, attach, port-forward. Who may create pods
  may read every Secret of the namespace through one, so a finer line here would be only a pretence.
* ``admin``: as ``edit``, and tokens of service accounts.

Held for the whole cluster, ``view`` also reads what belongs to no namespace (nodes, namespaces) and ``admin`` writes it,
statuses included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controlplane.access import node_authorization
from controlplane.access.identity import Identity, Permission

if TYPE_CHECKING:
    from schema.kinds import Kind

READS = frozenset({"get", "list", "watch"})
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
INTERACTIVE = frozenset({"exec", "attach", "portforward"})
"""Subresources that act inside a pod: allowed by the verb ``create``, whichever HTTP method opens them."""
_RANK = {"view": 1, "edit": 2, "admin": 3}
_NEVER = 99
_EDITED_SUBRESOURCES = frozenset({"", "scale", "eviction", "ephemeralcontainers", "context"}) | INTERACTIVE


def allowed(identity: Identity, verb: str, kind: Kind, namespace: str, name: str, subresource: str = "") -> bool:
    """``namespace`` is empty for cluster-scoped kinds and for all namespaces; ``name`` for collections.

    Free of queries except for a node that asks for a pod, Secret or ConfigMap by name.
    """
    if verb not in READS and verb not in WRITES:
        return False
    if identity.superuser:
        return True
    if identity.node is not None:
        return node_authorization.allowed(identity.node, verb, kind, namespace, name, subresource)
    return any(_permits(permission, verb, kind, namespace, name, subresource) for permission in identity.permissions)


def may_invite(identity: Identity) -> bool:
    """Whether they may make join tokens, each of which lets a host in: as for writing Nodes."""
    return identity.superuser or Permission("admin", "") in identity.permissions


def _permits(permission: Permission, verb: str, kind: Kind, namespace: str, name: str, subresource: str) -> bool:
    rank = _RANK.get(permission.role, 0)
    if permission.namespace == "":
        return rank >= _needed_in_cluster(verb, kind, subresource)
    if not kind.namespaced:
        own = kind.plural == "namespaces" and not kind.group and name == permission.namespace
        return own and verb == "get" and rank >= _RANK["view"]
    return namespace == permission.namespace and rank >= _needed_in_namespace(verb, kind, subresource)


def _needed_in_cluster(verb: str, kind: Kind, subresource: str) -> int:
    if kind.namespaced:
        return min(_needed_in_namespace(verb, kind, subresource), _RANK["admin"])
    return _RANK["view"] if verb in READS else _RANK["admin"]


def _needed_in_namespace(verb: str, kind: Kind, subresource: str) -> int:
    if verb in READS and subresource not in INTERACTIVE:
        return _RANK["edit"] if kind.plural == "secrets" and not kind.group else _RANK["view"]
    if subresource in _EDITED_SUBRESOURCES:
        return _RANK["edit"]
    return _RANK["admin"] if subresource == "token" else _NEVER
