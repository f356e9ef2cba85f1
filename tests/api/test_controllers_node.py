"""Nodes that go silent and come back, and pods whose node is gone, on a real store."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from controlplane.controllers import node as nodes
from controlplane.controllers import registry, tasks, zones
from controlplane.controllers.tainteviction import OUT_OF_SERVICE
from controlplane.store import objects, processes
from controlplane.store.errors import NotFound
from controlplane.store.models import Process
from schema import kinds, meta
from schema.meta import DeleteOptions
from tests.api.cluster_objects import condition, event_reasons, lease, node, pod, running
from tests.api.pump import pumping

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pump():
    with pumping() as made:
        yield made


def get(kind, name):
    return objects.get(kind, "" if kind is kinds.NODE else "default", name)


def taints():
    return [(each["key"], each["effect"]) for each in get(kinds.NODE, "node-a")["spec"].get("taints") or ()]


def check(name="node-a"):
    registry.CONTROLLERS["node"].reconcile("", name)


def test_a_silent_node_is_unknown_tainted_and_its_pods_not_ready():
    node("well")
    node(taints=[{"key": "mine", "effect": "NoSchedule"}])
    lease(age_seconds=60)
    pod("web", nodeName="node-a", status=running())
    check()
    ready = condition(get(kinds.NODE, "node-a"), "Ready")
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert taints() == [("mine", "NoSchedule"), (nodes.UNREACHABLE, "NoSchedule"), (nodes.UNREACHABLE, "NoExecute")]
    assert condition(get(kinds.POD, "web"), "Ready")["status"] == "False"
    assert get(kinds.POD, "web")["status"]["phase"] == "Running", "nobody knows that it ended"
    assert {reason for reason, _, _ in event_reasons("node-a")} == {"NodeNotReady", "NodeEmptied"}


def test_a_full_pass_looks_at_those_that_are_not_well():
    node()
    node("well")
    lease(age_seconds=60)
    lease("well")
    keys = registry.CONTROLLERS["node"].all_keys
    assert list(keys()) == [("", "node-a")]
    check()
    assert list(keys()) == [("", "node-a")]


def test_saying_it_again_writes_nothing():
    node()
    lease(age_seconds=60)
    check()
    before = objects.current_revision()
    check()
    assert objects.current_revision() == before


def test_all_returns_to_normal_when_the_node_speaks_again(pump):
    node("well")
    node()
    lease(age_seconds=60)
    pod("web", nodeName="node-a", status=running())
    pump.settle()
    assert taints()
    fresh = lease("other")["spec"]["renewTime"]
    objects.mutate(
        kinds.LEASE, "kube-node-lease", "node-a", lambda one: {**one, "spec": {**one["spec"], "renewTime": fresh}}
    )
    objects.mutate(
        kinds.NODE, "", "node-a",
        lambda one: {**one, "status": {**one["status"], "conditions": [{"type": "Ready", "status": "True"}]}},
        subresource="status",
    )  # fmt: skip
    pump.settle()
    assert taints() == []
    assert condition(get(kinds.POD, "web"), "Ready")["status"] == "True"
    assert sorted(reason for reason, _, _ in event_reasons("node-a")) == [
        "NodeEmptied",
        "NodeNotReady",
        "NodeReady",
    ]


def test_a_node_that_says_it_is_not_ready_is_tainted_so(pump):
    node("well")
    node(ready="False")
    lease()
    pump.settle()
    assert taints() == [(nodes.NOT_READY, "NoSchedule"), (nodes.NOT_READY, "NoExecute")]


def test_when_no_node_answers_pods_stay_where_they_are(pump):
    for name in ("node-a", "node-b"):
        node(name)
        lease(name, age_seconds=60)
    pod("web", nodeName="node-a", status=running())
    pump.settle()
    assert taints() == [(nodes.UNREACHABLE, "NoSchedule")]
    assert "EvictionHeldBack" in [reason for reason, _, _ in event_reasons("node-a")]
    assert {verdict.again_after for verdict in pump.waits.values()} == {zones.LOOK_AGAIN_SECONDS}


def test_what_had_begun_is_taken_back_when_the_last_node_falls_silent(pump):
    node()
    node("well")
    lease(age_seconds=60)
    pump.settle()
    assert (nodes.UNREACHABLE, "NoExecute") in taints()
    lease("well", age_seconds=60)
    check("well")
    check()
    assert taints() == [(nodes.UNREACHABLE, "NoSchedule")]


def test_a_node_is_silent_when_the_process_with_its_session_is(pump):
    node("well")
    node()
    lease(process="p1", age_seconds=8)
    processes.renew("p1")
    check()
    assert taints() == []
    Process.objects.update(renewed_at=time.time() - 8)
    check()
    assert (nodes.UNREACHABLE, "NoExecute") in taints()


def emptied(*names):
    """Pods on a node that has been lost for as long as they tolerate."""
    node("well")
    node()
    lease(age_seconds=60)
    for name in names:
        pod(name, nodeName="node-a", status=running())
    check()
    objects.mutate(kinds.NODE, "", "node-a", _an_hour_ago)


def _an_hour_ago(one):
    past = meta.format_time(meta.now() - timedelta(hours=1))
    taints = [{**each, **({"timeAdded": past} if "timeAdded" in each else {})} for each in one["spec"]["taints"]]
    return {**one, "spec": {**one["spec"], "taints": taints}}


def test_pods_leave_a_lost_node_when_their_time_is_over_and_stay_terminating(pump, monkeypatch):
    emptied("web")  # it has been placed just now: its time runs from there
    pump.settle()
    assert "deletionTimestamp" not in get(kinds.POD, "web")["metadata"]
    [wait] = [verdict for work, verdict in pump.waits.items() if work.arguments[0] == "tainteviction"]
    assert 25 < wait.again_after <= 30
    monkeypatch.setattr(meta, "now", lambda: datetime.now(UTC) + timedelta(seconds=31))
    registry.CONTROLLERS["tainteviction"].reconcile("", "node-a")
    pump.settle()
    web = get(kinds.POD, "web")
    assert "deletionTimestamp" in web["metadata"]
    assert condition(web, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
    assert [reason for reason, _, _ in event_reasons("web")] == ["TaintManagerEviction"]
    # nobody but its agent, or one who knows, ends it
    registry.CONTROLLERS["tainteviction"].reconcile("", "node-a")
    assert get(kinds.POD, "web")
    out = {"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}
    objects.mutate(
        kinds.NODE, "", "node-a", lambda one: {**one, "spec": {**one["spec"], "taints": [*one["spec"]["taints"], out]}}
    )
    pump.settle()
    with pytest.raises(NotFound):
        get(kinds.POD, "web")


def test_a_users_taint_evicts_at_once_what_does_not_tolerate_it(pump):
    node()
    pod("web", nodeName="node-a", status=running())
    pod("keeps", nodeName="node-a", status=running(), tolerations=[{"operator": "Exists"}])
    mine = {"key": "maintenance", "effect": "NoExecute"}
    objects.mutate(kinds.NODE, "", "node-a", lambda one: {**one, "spec": {**one["spec"], "taints": [mine]}})
    pump.settle()
    assert "deletionTimestamp" in get(kinds.POD, "web")["metadata"]
    assert "deletionTimestamp" not in get(kinds.POD, "keeps")["metadata"]


def test_a_deleted_pod_of_a_silent_node_stays_until_the_node_is_removed(pump):
    node()
    lease(age_seconds=60)
    pod("web", nodeName="node-a", status=running())
    objects.delete(kinds.POD, "default", "web")
    pump.settle()
    assert "deletionTimestamp" in get(kinds.POD, "web")["metadata"]
    objects.delete(kinds.NODE, "", "node-a")
    pump.settle()
    with pytest.raises(NotFound):
        get(kinds.POD, "web")


def test_pods_go_with_their_node(pump):
    node()
    pod("web", nodeName="node-a", status=running())
    pod("done", nodeName="node-a", status={"phase": "Succeeded"})
    pod("waiting", nodeSelector={"no": "where"})
    pod("held", nodeName="node-a", status=running(), metadata={"finalizers": ["example.com/keep"]})
    objects.delete(kinds.NODE, "", "node-a")
    pump.settle()
    left = {one["metadata"]["name"]: one["status"] for one in objects.list_objects(kinds.POD).items}
    assert set(left) == {"waiting", "held"}
    assert (left["held"]["phase"], left["held"]["reason"]) == ("Failed", "NodeLost")
    assert [reason for reason, _, _ in event_reasons("web")] == ["PodCollected"]


def test_finished_pods_beyond_the_bound_go_oldest_first(monkeypatch):
    node()
    monkeypatch.setattr("controlplane.controllers.podgc.FINISHED_KEPT", 1)
    for name in ("a", "b", "c"):
        pod(name, nodeName="node-a", status={"phase": "Failed"})
    tasks._collect_pods()
    assert [one["metadata"]["name"] for one in objects.list_objects(kinds.POD).items] == ["c"]


def test_the_tick_hands_a_silent_node_to_its_controller_once(monkeypatch):
    node()
    lease(age_seconds=60)
    lease("node-b")
    handed = []
    monkeypatch.setattr("controlplane.controllers.queue.Queue.add", lambda self, work: handed.extend(work))
    tasks._silent_since.clear()
    tasks.look_for_silent_nodes()
    tasks.look_for_silent_nodes()
    assert [work.arguments for work in handed] == [("node", "", "node-a")]


def test_a_deleted_pod_without_a_node_is_ended():
    pod("held", metadata={"finalizers": ["example.com/keep"]})
    objects.delete(kinds.POD, "default", "held", options=DeleteOptions())
    tasks._collect_pods()
    objects.mutate(kinds.POD, "default", "held", lambda one: {**one, "metadata": {**one["metadata"], "finalizers": []}})
    with pytest.raises(NotFound):
        get(kinds.POD, "held")
