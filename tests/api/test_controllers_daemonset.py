"""DaemonSets through commits, controllers and scheduler, with agents that do what they should."""

import pytest

from controlplane.controllers.registry import CONTROLLERS
from controlplane.store import objects
from schema import kinds
from schema.meta import DeleteOptions
from tests.api import cluster_objects as make
from tests.api.pump import pumping
from tests.api.workloads import Agents, images, pods, present, set_ready, template, update, workload

pytestmark = pytest.mark.django_db(transaction=True)

SET = kinds.DAEMON_SET


@pytest.fixture
def agents():
    node("a")
    node("b")
    with pumping() as pump:
        yield Agents(pump)


def node(name, **spec):
    make.node(name, labels={"kubernetes.io/hostname": name, "name": name}, **spec)


def nodes():
    return sorted(pod["spec"].get("nodeName", "") for pod in pods().values())


def status():
    return present(SET, "web")["status"]


def test_each_node_has_one_and_a_new_node_at_once(agents):
    workload(SET)
    agents.settle()
    assert nodes() == ["a", "b"]
    node("c")
    agents.pump.settle()
    assert nodes() == ["a", "b", "c"]
    agents.settle()
    for field in (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "numberAvailable",
        "updatedNumberScheduled",
    ):
        assert status()[field] == 3
    assert (status()["numberMisscheduled"], status()["numberUnavailable"]) == (0, 0)
    before = objects.current_revision()
    CONTROLLERS["daemonset"].reconcile("", "")
    assert objects.current_revision() == before


def test_its_pods_go_where_others_may_not(agents):
    node("cordoned", unschedulable=True)
    node("away", taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    node("mine", taints=[{"key": "mine", "effect": "NoSchedule"}])
    workload(SET)
    agents.settle()
    assert nodes() == ["a", "away", "b", "cordoned"]


def test_it_follows_the_labels_of_the_nodes(agents):
    workload(SET, template=template(nodeSelector={"name": "a"}))
    agents.settle()
    assert nodes() == ["a"]
    objects.mutate(kinds.NODE, "", "b", lambda one: {**one, "metadata": {**one["metadata"], "labels": {"name": "a"}}})
    agents.settle()
    assert nodes() == ["a", "b"]
    update(SET, template=template(nodeSelector={"name": "none"}))
    agents.settle()
    assert nodes() == []
    assert status()["desiredNumberScheduled"] == 0


def test_a_pod_that_is_deleted_or_has_failed_is_replaced(agents):
    workload(SET)
    agents.settle()
    name, pod = next(iter(pods().items()))
    objects.delete(kinds.POD, "default", name)
    agents.settle()
    assert nodes() == ["a", "b"]
    assert present(kinds.POD, name)["metadata"]["uid"] != pod["metadata"]["uid"]
    set_ready(name, "False", phase="Failed")
    agents.settle()
    assert name in pods()  # its back-off is not over
    ((_, waiting),) = [
        (work, verdict) for work, verdict in agents.pump.waits.items() if work.arguments[0] == "daemonset"
    ]
    assert 0 < waiting.again_after <= 1.0


def test_an_update_replaces_one_node_at_a_time(agents):
    node("c")
    workload(SET)
    agents.settle()
    update(SET, template=template("busybox:2"))
    agents.settle()
    assert set(images().values()) == {"busybox:2"}
    assert nodes() == ["a", "b", "c"]
    assert agents.most_ending == 1


def test_with_surge_the_new_pod_comes_before_the_old_one_goes(agents):
    workload(SET, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    agents.settle()
    agents.broken.add("busybox:bad")
    update(SET, template=template("busybox:bad"))
    agents.settle()
    assert sorted(images().values()) == ["busybox:1", "busybox:1", "busybox:bad"]
    assert status()["numberAvailable"] == 2
    update(SET, template=template("busybox:2"))
    agents.settle()
    assert sorted(images().values()) == ["busybox:2", "busybox:2"]


def test_on_delete_waits_for_somebody(agents):
    workload(SET, updateStrategy={"type": "OnDelete"})
    agents.settle()
    update(SET, template=template("busybox:2"))
    agents.settle()
    assert set(images().values()) == {"busybox:1"}
    objects.delete(kinds.POD, "default", next(iter(pods())))
    agents.settle()
    assert sorted(images().values()) == ["busybox:1", "busybox:2"]
    assert status()["updatedNumberScheduled"] == 1


def test_its_pods_go_with_it(agents):
    workload(SET)
    agents.settle()
    objects.delete(SET, "default", "web")
    agents.settle()
    assert not pods()
    assert not objects.list_objects(kinds.CONTROLLER_REVISION, namespace="default").items


def test_pods_and_history_left_by_an_orphaning_deletion_are_adopted_again(agents):
    workload(SET)
    agents.settle()
    before = pods()
    objects.delete(SET, "default", "web", options=DeleteOptions(propagation_policy="Orphan"))
    agents.settle()
    made = workload(SET)
    agents.settle()
    assert pods().keys() == before.keys()
    history = objects.list_objects(kinds.CONTROLLER_REVISION, namespace="default").items
    owned = {one["metadata"]["ownerReferences"][0]["uid"] for one in (*history, *pods().values())}
    assert owned == {made["metadata"]["uid"]}
    assert sorted(one["revision"] for one in history) == [1]
