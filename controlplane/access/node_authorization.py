"""What the credential of a node opens: what concerns this node, by name, and nothing else.

An agent needs none of this for its work, which goes through its session; it is for a person or tool that holds a node's
credential, and it bounds what a stolen one is worth. There is no list or watch: a node names what it wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controlplane.nodes import references
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds

if TYPE_CHECKING:
    from schema.kinds import Kind

LEASE_NAMESPACE = "kube-node-lease"
_CHANGES = frozenset({"update", "patch"})


def allowed(node: str, verb: str, kind: Kind, namespace: str, name: str, subresource: str) -> bool:
    if kind is kinds.EVENT:
        return verb == "create" and not subresource
    if not name:
        return False
    if kind is kinds.NODE:
        return name == node and (verb == "get" or (verb in _CHANGES and subresource == "status"))
    if kind is kinds.LEASE:
        own = namespace == LEASE_NAMESPACE and name == node and not subresource
        return own and (verb == "get" or verb in _CHANGES)
    if kind is kinds.POD:
        return _pod_verb(verb, subresource) and _runs_on(node, namespace, name)
    if kind in (kinds.SECRET, kinds.CONFIG_MAP):
        return verb == "get" and not subresource and _is_used_on(node, kind, namespace, name)
    return False


def _pod_verb(verb: str, subresource: str) -> bool:
    if subresource == "status":
        return verb == "get" or verb in _CHANGES
    return not subresource and verb in {"get", "delete"}


def _runs_on(node: str, namespace: str, name: str) -> bool:
    try:
        pod = objects.get(kinds.POD, namespace, name)
    except NotFound:
        return False
    return bool(pod.get("spec", {}).get("nodeName") == node)


def _is_used_on(node: str, kind: Kind, namespace: str, name: str) -> bool:
    used = [references.of_pod(pod) for pod in objects.pods_on(node)]
    key = references.Key(namespace, name)
    return any(key in (found.secrets if kind is kinds.SECRET else found.config_maps) for found in used)
