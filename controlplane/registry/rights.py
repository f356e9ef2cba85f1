"""Who may do what with a repository: rights follow its namespace.

``pull`` is ``get``, ``push`` is ``create`` and ``delete`` is ``delete`` of ``repositories.slipway.dev`` there. A node may pull
what pods on it name, of their own namespace and of those that are open (label ``slipway.dev/images: cluster``): who may make
pods in one namespace gets no images of another by that. The pull-through caches are open to whoever may log in.
"""

from __future__ import annotations

from collections.abc import Iterable

from controlplane.access import authorization
from controlplane.access.identity import Identity
from controlplane.registry import names
from controlplane.registry.scopes import DELETE, PULL, PUSH, Scope
from controlplane.store import objects
from controlplane.store.errors import NotFound
from schema import kinds
from schema.base import Wire

OPEN_LABEL = "slipway.dev/images"
OPEN = "cluster"
"""The label of a namespace whose images pods of other namespaces may run."""
VERBS = {PULL: "get", PUSH: "create", DELETE: "delete"}


def granted(identity: Identity, scope: Scope) -> Scope:
    """What of the scope they get: possibly nothing."""
    if scope.type == "registry":
        may = scope.name == "catalog" and authorization.allowed(identity, "list", kinds.REPOSITORY, "", "")
        return Scope(scope.type, scope.name, scope.actions if may else ())
    if scope.type != "repository" or not names.is_repository(scope.name):
        return Scope(scope.type, scope.name, ())
    return Scope(scope.type, scope.name, tuple(one for one in scope.actions if may_use(identity, one, scope.name)))


def may_use(identity: Identity, action: str, path: str) -> bool:
    if identity.node is not None:
        return action == PULL and node_may_pull(identity.node, path)
    namespace = names.namespace_of(path)
    verb = VERBS.get(action)
    if verb is None or not authorization.allowed(identity, verb, kinds.REPOSITORY, namespace, names.object_name(path)):
        return False
    return action != PUSH or namespace_takes(namespace)


def node_may_pull(node: str, path: str) -> bool:
    """For pods of the repository's own namespace, and for all where that namespace is open."""
    namespace = names.namespace_of(path)
    pods = [pod for pod in objects.pods_on(node) if path in repositories_of([pod])]
    return any(pod["metadata"]["namespace"] == namespace for pod in pods) or (bool(pods) and is_open(namespace))


def is_open(namespace: str) -> bool:
    try:
        labels = objects.get(kinds.NAMESPACE, "", namespace)["metadata"].get("labels") or {}
    except NotFound:
        return False
    return bool(labels.get(OPEN_LABEL) == OPEN)


def namespace_takes(namespace: str) -> bool:
    """Whether it is there and not on its way out."""
    try:
        return "deletionTimestamp" not in objects.get(kinds.NAMESPACE, "", namespace)["metadata"]
    except NotFound:
        return False


def in_cache(scope: Scope) -> Scope:
    wanted = (PULL,) if scope.type == "repository" and PULL in scope.actions else ()
    return Scope(scope.type, scope.name, wanted)


def why_not(identity: Identity, scope: Scope) -> str:
    """A sentence that names the repository."""
    name = scope.name
    if scope.type != "repository":
        return f'User "{identity.name}" may not {",".join(scope.actions)} {scope.type} {name}'
    if not names.is_repository(name):
        return f"repository {name}: the name must be <namespace>/<name>, in lower case"
    if identity.node is not None:
        verbs = " and ".join(scope.actions)
        return f'node "{identity.node}" may not {verbs} repository {name}: no pod of that namespace on it names it'
    namespace = names.namespace_of(name)
    if PUSH in scope.actions and not namespace_takes(namespace):
        return f'repository {name}: there is no namespace "{namespace}"'
    verbs = " and ".join(scope.actions)
    return f'User "{identity.name}" may not {verbs} repository {name} of the namespace "{namespace}"'


def repositories_of(pods: Iterable[Wire]) -> set[str]:
    return {found.repository for pod in pods for found in names.images_of(pod.get("spec") or {})}
