"""Birth and end of namespaces on a real store."""

from __future__ import annotations

import pytest
from django.conf import settings

from controlplane.controllers import registry
from controlplane.controllers.broker import Work
from controlplane.store import objects
from controlplane.store.errors import Forbidden, NotFound
from schema import kinds
from tests.api.cluster_objects import condition, config_map, namespace, node, pod, running
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)
KEY = Work(registry.RECONCILE, ("namespace", "", "shop"))


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def shop():
    return objects.get(kinds.NAMESPACE, "", "shop")


def is_gone():
    try:
        shop()
    except NotFound:
        return True
    return False


@pytest.fixture
def authority():
    path = settings.HOME / "pki" / "ca.crt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("the certificate")
    yield "the certificate"
    path.unlink()


def test_a_namespace_is_born_with_an_account_and_the_authoritys_certificate(pump, authority):
    namespace("shop")
    pump.settle()
    assert objects.get(kinds.SERVICE_ACCOUNT, "shop", "default")
    assert objects.get(kinds.CONFIG_MAP, "shop", "kube-root-ca.crt")["data"] == {"ca.crt": authority}


def test_they_come_back_when_deleted_or_changed(pump, authority):
    namespace("shop")
    pump.settle()
    objects.delete(kinds.SERVICE_ACCOUNT, "shop", "default")
    objects.mutate(kinds.CONFIG_MAP, "shop", "kube-root-ca.crt", lambda wire: {**wire, "data": {"ca.crt": "forged"}})
    pump.settle()
    assert objects.get(kinds.SERVICE_ACCOUNT, "shop", "default")
    assert objects.get(kinds.CONFIG_MAP, "shop", "kube-root-ca.crt")["data"] == {"ca.crt": authority}


def test_the_first_namespaces_get_theirs_by_the_full_pass(authority):
    keys = list(registry.CONTROLLERS["serviceaccount"].all_keys())
    assert ("", "kube-system") in keys
    registry.CONTROLLERS["serviceaccount"].reconcile("", "kube-system")
    assert objects.get(kinds.SERVICE_ACCOUNT, "kube-system", "default")
    assert ("", "kube-system") not in list(registry.CONTROLLERS["serviceaccount"].all_keys())


def test_a_deleted_namespace_goes_with_everything_in_it(pump):
    namespace("shop")
    pump.settle()
    for index in range(250):
        config_map(f"c{index}", "shop")
    pod("web", namespace="shop")
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle(passes=2000)
    assert is_gone()
    left = [kind for kind in kinds.ALL if kind.namespaced and objects.list_objects(kind, namespace="shop").items]
    assert left == []


def test_an_empty_namespace_goes_at_once(pump):
    namespace("shop")
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle()
    assert is_gone()


def test_pods_end_before_what_they_use_is_taken_away(pump):
    node()
    namespace("shop")
    config_map("settings", "shop")
    running_pod = pod("web", namespace="shop", nodeName="node-a", status=running())
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle()
    assert objects.get(kinds.CONFIG_MAP, "shop", "settings")
    held = condition(shop(), "NamespaceContentRemaining")
    assert (held["status"], held["reason"]) == ("True", "SomeResourcesRemain")
    assert "pods has 1 resource instances" in held["message"]
    assert shop()["status"]["phase"] == "Terminating"
    assert held["message"] == pump.waits[KEY].reason
    objects.finish_deletion(kinds.POD, "shop", "web", running_pod["metadata"]["uid"])
    pump.settle()
    assert is_gone()


def test_finalizers_hold_it_and_it_says_so(pump):
    namespace("shop")
    config_map("precious", "shop", finalizers=["example.com/backup"])
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle()
    held = condition(shop(), "NamespaceFinalizersRemaining")
    assert held["status"] == "True"
    assert "example.com/backup in 1 resource instances" in held["message"]
    objects.mutate(
        kinds.CONFIG_MAP, "shop", "precious",
        lambda wire: {**wire, "metadata": {**wire["metadata"], "finalizers": []}},
    )  # fmt: skip
    pump.settle()
    assert is_gone()


def test_its_own_finalizers_hold_it_to_the_last(pump):
    namespace("shop")
    objects.mutate(
        kinds.NAMESPACE, "", "shop", lambda wire: {**wire, "metadata": {**wire["metadata"], "finalizers": ["x.io/y"]}}
    )
    config_map("settings", "shop")
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle()
    assert objects.list_objects(kinds.CONFIG_MAP, namespace="shop").items == []
    assert condition(shop(), "NamespaceContentRemaining")["status"] == "False"
    objects.mutate(
        kinds.NAMESPACE, "", "shop", lambda wire: {**wire, "metadata": {**wire["metadata"], "finalizers": []}}
    )
    pump.settle()
    assert is_gone()


def test_what_is_being_deleted_again_changes_nothing(pump):
    namespace("shop")
    config_map("precious", "shop", finalizers=["example.com/backup"])
    objects.delete(kinds.NAMESPACE, "", "shop")
    pump.settle()
    before = objects.current_revision()
    registry.CONTROLLERS["namespace"].reconcile("", "shop")
    assert objects.current_revision() == before


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-node-lease"])
def test_the_first_namespaces_are_protected(name):
    with pytest.raises(Forbidden):
        objects.delete(kinds.NAMESPACE, "", name)
