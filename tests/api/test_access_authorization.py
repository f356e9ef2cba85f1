"""Closed unless something opens it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from controlplane.access import authorization
from controlplane.access.identity import Identity, Permission, of_node
from controlplane.store import objects
from schema import kinds

VERBS = sorted(authorization.READS | authorization.WRITES)
NOBODY = Identity("charlie")


def _holding(*permissions: tuple[str, str]) -> Identity:
    return Identity("bob", permissions=frozenset(Permission(*permission) for permission in permissions))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", kinds.ALL, ids=lambda kind: kind.plural)
def test_without_a_grant_nothing_is_allowed(verb, kind):
    for namespace, name, subresource in itertools.product(["", "team"], ["", "x"], ["", "status", "exec", "log"]):
        assert not authorization.allowed(NOBODY, verb, kind, namespace, name, subresource)


@pytest.mark.parametrize("verb", VERBS)
def test_a_superuser_may_do_everything(verb):
    identity = Identity("root", superuser=True)
    assert all(authorization.allowed(identity, verb, kind, "team", "x", "status") for kind in kinds.ALL)


@pytest.mark.parametrize("verb", ["", "*", "escalate", "GET"])
def test_an_unknown_verb_is_refused_to_everyone(verb):
    assert not authorization.allowed(Identity("root", superuser=True), verb, kinds.POD, "team", "x")


_IN_NAMESPACE = [
    # role, verb, kind, subresource, allowed
    ("view", "get", kinds.POD, "", True),
    ("view", "watch", kinds.CONFIG_MAP, "", True),
    ("view", "get", kinds.POD, "log", True),
    ("view", "get", kinds.POD, "status", True),
    ("view", "get", kinds.SECRET, "", False),
    ("view", "list", kinds.SECRET, "", False),
    ("view", "create", kinds.POD, "", False),
    ("view", "create", kinds.POD, "exec", False),
    ("view", "get", kinds.POD, "exec", False),
    ("view", "get", kinds.POD, "portforward", False),
    ("view", "get", kinds.NODE, "", False),
    ("edit", "get", kinds.SECRET, "", True),
    ("edit", "create", kinds.POD, "", True),
    ("edit", "create", kinds.POD, "exec", True),
    ("edit", "create", kinds.POD, "attach", True),
    ("edit", "delete", kinds.POD, "", True),
    ("edit", "update", kinds.POD, "status", False),
    ("edit", "create", kinds.POD, "binding", False),
    ("edit", "create", kinds.SERVICE_ACCOUNT, "token", False),
    ("edit", "update", kinds.NODE, "", False),
    ("edit", "create", kinds.NAMESPACE, "", False),
    ("admin", "create", kinds.SERVICE_ACCOUNT, "token", True),
    ("admin", "update", kinds.POD, "status", False),
    ("admin", "delete", kinds.NAMESPACE, "", False),
    ("admin", "patch", kinds.NODE, "", False),
    ("owner", "get", kinds.POD, "", False),
]


@pytest.mark.parametrize(("role", "verb", "kind", "subresource", "expected"), _IN_NAMESPACE)
def test_a_role_in_a_namespace(role, verb, kind, subresource, expected):
    namespace = "team" if kind.namespaced else ""
    identity = _holding((role, "team"))
    assert authorization.allowed(identity, verb, kind, namespace, "x", subresource) is expected


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
@pytest.mark.parametrize("namespace", ["", "other", "tea", "team2"])
def test_a_role_ends_at_its_namespace(role, namespace):
    identity = _holding((role, "team"))
    assert not any(authorization.allowed(identity, verb, kinds.POD, namespace, "x") for verb in VERBS)


def test_the_namespace_object_itself_may_be_read():
    identity = _holding(("view", "team"))
    assert authorization.allowed(identity, "get", kinds.NAMESPACE, "", "team")
    assert not authorization.allowed(identity, "get", kinds.NAMESPACE, "", "other")
    assert not authorization.allowed(identity, "list", kinds.NAMESPACE, "", "")


_IN_CLUSTER = [
    ("view", "list", kinds.POD, "", True),
    ("view", "list", kinds.NODE, "", True),
    ("view", "list", kinds.SECRET, "", False),
    ("edit", "create", kinds.POD, "", True),
    ("edit", "create", kinds.NAMESPACE, "", False),
    ("edit", "patch", kinds.NODE, "", False),
    ("admin", "create", kinds.NAMESPACE, "", True),
    ("admin", "patch", kinds.NODE, "", True),
    ("admin", "update", kinds.POD, "status", True),
]


@pytest.mark.parametrize(("role", "verb", "kind", "subresource", "expected"), _IN_CLUSTER)
def test_a_role_in_the_cluster(role, verb, kind, subresource, expected):
    assert authorization.allowed(_holding((role, "")), verb, kind, "", "x", subresource) is expected


def test_roles_add_up():
    identity = _holding(("view", ""), ("edit", "team"))
    assert authorization.allowed(identity, "create", kinds.POD, "team", "x")
    assert not authorization.allowed(identity, "create", kinds.POD, "other", "x")
    assert authorization.allowed(identity, "get", kinds.POD, "other", "x")


def _pod(name: str, node: str, **spec) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": name}
    containers = [{"name": "main", "image": "x"}]
    return objects.create(
        kinds.POD, {"metadata": metadata, "spec": {"nodeName": node, "containers": containers, **spec}}
    )


@pytest.fixture
def _pods(db):
    _pod("mine", "n1", volumes=[{"name": "v", "secret": {"secretName": "mine"}}], imagePullSecrets=[{"name": "pull"}])
    _pod("other", "n2", volumes=[{"name": "v", "secret": {"secretName": "other"}}])


_NODE_MAY = [
    ("get", kinds.NODE, "", "n1", ""),
    ("patch", kinds.NODE, "", "n1", "status"),
    ("get", kinds.POD, "default", "mine", ""),
    ("patch", kinds.POD, "default", "mine", "status"),
    ("delete", kinds.POD, "default", "mine", ""),
    ("get", kinds.SECRET, "default", "mine", ""),
    ("get", kinds.SECRET, "default", "pull", ""),
    ("update", kinds.LEASE, "kube-node-lease", "n1", ""),
    ("create", kinds.EVENT, "default", "", ""),
]
_NODE_MAY_NOT = [
    ("get", kinds.NODE, "", "n2", ""),
    ("list", kinds.NODE, "", "", ""),
    ("patch", kinds.NODE, "", "n1", ""),
    ("delete", kinds.NODE, "", "n1", ""),
    ("patch", kinds.NODE, "", "n2", "status"),
    ("get", kinds.POD, "default", "other", ""),
    ("patch", kinds.POD, "default", "other", "status"),
    ("patch", kinds.POD, "default", "mine", ""),
    ("create", kinds.POD, "default", "mine", "exec"),
    ("create", kinds.POD, "default", "new", ""),
    ("get", kinds.POD, "default", "absent", ""),
    ("list", kinds.POD, "default", "", ""),
    ("get", kinds.SECRET, "default", "other", ""),
    ("get", kinds.SECRET, "kube-system", "mine", ""),
    ("list", kinds.SECRET, "default", "", ""),
    ("watch", kinds.SECRET, "", "", ""),
    ("update", kinds.SECRET, "default", "mine", ""),
    ("get", kinds.CONFIG_MAP, "default", "mine", ""),
    ("update", kinds.LEASE, "kube-node-lease", "n2", ""),
    ("update", kinds.LEASE, "default", "n1", ""),
    ("get", kinds.EVENT, "default", "x", ""),
    ("get", kinds.NAMESPACE, "", "default", ""),
    ("get", kinds.SERVICE_ACCOUNT, "default", "default", ""),
]


@pytest.mark.usefixtures("_pods")
@pytest.mark.parametrize(("verb", "kind", "namespace", "name", "subresource"), _NODE_MAY)
def test_a_node_may(verb, kind, namespace, name, subresource):
    assert authorization.allowed(of_node("n1"), verb, kind, namespace, name, subresource)


@pytest.mark.usefixtures("_pods")
@pytest.mark.parametrize(("verb", "kind", "namespace", "name", "subresource"), _NODE_MAY_NOT)
def test_a_node_may_not(verb, kind, namespace, name, subresource):
    assert not authorization.allowed(of_node("n1"), verb, kind, namespace, name, subresource)
