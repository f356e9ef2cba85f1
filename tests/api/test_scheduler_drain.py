"""The drain on a real store: what it binds, what it says of pods that fit nowhere, and what wakes it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from controlplane.scheduler import tasks
from controlplane.scheduler.known import KnownNodes
from controlplane.store import objects
from schema import kinds
from tests.api.cluster_objects import condition, event_reasons, node, owned_by, pod, running

pytestmark = pytest.mark.django_db(transaction=True)


def get(name, namespace="default"):
    return objects.get(kinds.POD, namespace, name)


def place(name):
    return get(name)["spec"].get("nodeName")


def test_it_binds_a_pod_says_so_and_records_an_event():
    node()
    pod("web", requests={"cpu": "1"})
    tasks.run()
    assert place("web") == "node-a"
    assert condition(get("web"), "PodScheduled")["status"] == "True"
    assert event_reasons("web") == [("Scheduled", "Successfully assigned default/web to node-a", 1)]


def test_a_pod_that_fits_nowhere_says_why_and_is_placed_when_a_node_comes():
    node(memory="512Mi")
    node("node-b", taints=[{"key": "x", "value": "y", "effect": "NoSchedule"}])
    pod("big", requests={"memory": "2Gi"})
    tasks.run()
    told = condition(get("big"), "PodScheduled")
    assert (told["status"], told["reason"]) == ("False", "Unschedulable")
    assert told["message"] == (
        "0/2 nodes are available: 1 node(s) had untolerated taint {x: y}, "
        "1 Insufficient memory (needs 2Gi, 512Mi free on node-a)."
    )
    assert get("big")["status"]["phase"] == "Pending"
    assert event_reasons("big") == [("FailedScheduling", told["message"], 1)]
    node("node-c")
    tasks.run()
    assert place("big") == "node-c"


def test_the_same_explanation_is_given_once():
    pod("lonely")
    tasks.run()
    before = objects.current_revision()
    tasks.run()
    assert objects.current_revision() == before
    assert [reason for reason, _, _ in event_reasons("lonely")] == ["FailedScheduling"]


def test_what_is_bound_counts():
    node(cpu="1")
    pod("first", requests={"cpu": "600m"})
    tasks.run()
    pod("second", requests={"cpu": "600m"})
    tasks.run()
    assert place("second") is None
    assert "needs 600m, 400m free on node-a" in condition(get("second"), "PodScheduled")["message"]


def test_a_finished_pod_frees_its_place():
    node(cpu="1")
    pod("done", requests={"cpu": "1"}, nodeName="node-a", status={"phase": "Succeeded"})
    pod("next", requests={"cpu": "1"})
    tasks.run()
    assert place("next") == "node-a"


def test_priority_wins_the_last_place():
    node(pods="1")
    pod("ordinary")
    pod("urgent", priority=100)
    tasks.run()
    assert (place("ordinary"), place("urgent")) == (None, "node-a")


def test_gated_pods_wait_and_pods_of_other_schedulers_are_left_alone():
    node()
    pod("gated", schedulingGates=[{"name": "example.com/quota"}])
    pod("foreign", schedulerName="mine")
    tasks.run()
    assert (place("gated"), place("foreign")) == (None, None)
    assert condition(get("gated"), "PodScheduled")["reason"] == "SchedulingGated"
    assert condition(get("foreign"), "PodScheduled") == {}


def test_host_ports_of_running_pods_are_taken():
    node()
    node("node-b")
    for name in ("a", "b", "c"):
        pod(name, ports=[{"containerPort": 80, "hostPort": 8080}])
        tasks.run()
    assert {place("a"), place("b")} == {"node-a", "node-b"}
    assert "8080/TCP in use on node-a" in condition(get("c"), "PodScheduled")["message"]


def test_devices_of_running_pods_are_taken():
    wire = node()
    allocatable = {**wire["status"]["allocatable"], "example.com/gpu": "1"}
    objects.mutate(
        kinds.NODE, "", "node-a", lambda n: {**n, "status": {**n["status"], "allocatable": allocatable}},
        subresource="status",
    )  # fmt: skip
    for name in ("a", "b"):
        pod(name, requests={"example.com/gpu": "1"})
        tasks.run()
    assert place("a") == "node-a"
    assert "Insufficient example.com/gpu (needs 1, 0 free on node-a)" in condition(get("b"), "PodScheduled")["message"]


@pytest.mark.parametrize("by_owner", [True, False], ids=["owner", "labels"])
def test_pods_of_one_group_spread_over_runs(by_owner):
    owner = pod("owner", nodeName="elsewhere", status=running())
    node(cpu="8")
    node("node-b", cpu="2")
    for index in range(4):
        references = {"ownerReferences": [owned_by(owner, controller=True)]}
        pod(f"p{index}", requests={"cpu": "100m"}, metadata=references if by_owner else {"labels": {"app": "web"}})
        tasks.run()
    assert sorted(place(f"p{index}") for index in range(4)) == ["node-a", "node-a", "node-b", "node-b"]


def test_a_node_on_its_way_out_takes_nothing():
    node(labels={})
    objects.mutate(kinds.NODE, "", "node-a", lambda n: {**n, "metadata": {**n["metadata"], "finalizers": ["x/y"]}})
    objects.delete(kinds.NODE, "", "node-a")
    pod("web")
    tasks.run()
    assert place("web") is None


@pytest.mark.parametrize("others", [0, 30], ids=["few", "many"])
def test_it_sees_each_change_of_a_node_and_reads_only_those(others):
    for index in range(others):
        node(f"full-{index}", pods="0")
    node()
    known = KnownNodes()
    assert len(known.read()) == others + 1
    with CaptureQueriesContext(connection) as captured:
        known.read()
    assert len(captured) == 1
    objects.mutate(kinds.NODE, "", "node-a", lambda one: {**one, "spec": {"unschedulable": True}})
    assert {one.name: one.cordoned for one in known.read()}["node-a"]
    objects.delete(kinds.NODE, "", "node-a")
    assert len(known.read()) == others
    node()
    assert not {one.name: one.cordoned for one in known.read()}["node-a"], "another node of its name"


def test_many_pods_are_bound_in_one_transaction():
    node(cpu="64")
    for index in range(20):
        pod(f"p{index:02}", requests={"cpu": "10m"})
    with CaptureQueriesContext(
        connection,
    ) as captured:
        tasks.run()
    begins = [query["sql"] for query in captured if query["sql"].startswith("BEGIN")]
    assert len(begins) == 2, "one for the bindings, one for their events"
    assert {place(f"p{index:02}") for index in range(20)} == {"node-a"}


def test_a_run_that_finds_nothing_asks_one_question_and_writes_nothing():
    node()
    with CaptureQueriesContext(connection) as captured:
        tasks.run()
    assert len(captured) == 1


# Preemption


def running_low(name, **fields):
    return pod(name, requests={"cpu": "1"}, nodeName="node-a", status=running(), **fields)


def test_an_important_pod_pushes_out_a_lower_one_and_gets_its_place():
    node(cpu="2")
    low = running_low("low", priority=-5)
    running_low("high", priority=50)
    pod("vip", requests={"cpu": "1"}, priority=100)
    tasks.run()
    assert get("low")["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" not in get("high")["metadata"]
    target = condition(get("low"), "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
    assert ("Preempted", "Preempted by pod default/vip on node node-a", 1) in event_reasons("low")
    assert get("vip")["status"]["nominatedNodeName"] == "node-a"
    assert place("vip") is None

    pod("sneaky", requests={"cpu": "1"})
    before = objects.get(kinds.POD, "default", "high")["metadata"]["resourceVersion"]
    tasks.run()
    assert get("high")["metadata"]["resourceVersion"] == before, "nobody else goes"
    objects.finish_deletion(kinds.POD, "default", "low", low["metadata"]["uid"])
    tasks.run()
    assert place("vip") == "node-a"
    assert place("sneaky") is None
    assert condition(get("vip"), "PodScheduled")["status"] == "True"


def test_a_pod_that_may_not_push_waits():
    node(cpu="1")
    running_low("low")
    pod("vip", requests={"cpu": "1"}, priority=100, preemptionPolicy="Never")
    tasks.run()
    assert "deletionTimestamp" not in get("low")["metadata"]
    assert "nominatedNodeName" not in get("vip")["status"]


def test_a_second_run_with_a_promise_out_writes_nothing():
    node(cpu="1")
    running_low("low")
    pod("vip", requests={"cpu": "1"}, priority=100)
    tasks.run()
    before = objects.current_revision()
    tasks.run()
    assert objects.current_revision() == before


def test_a_promise_that_no_longer_holds_is_taken_back():
    node(cpu="1")
    running_low("low")
    pod("vip", requests={"cpu": "1"}, priority=100)
    tasks.run()
    objects.mutate(kinds.NODE, "", "node-a", lambda one: {**one, "spec": {"unschedulable": True}})
    tasks.run()
    assert "nominatedNodeName" not in get("vip")["status"]


def test_a_pod_follows_the_company_that_its_affinity_names_and_is_woken_by_a_new_label():
    node(labels={"zone": "x"})
    node("node-b", labels={"zone": "y"})
    pod("db", metadata={"labels": {"app": "old"}}, status=running(), nodeName="node-b")
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}}
    pod("web", affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    tasks.run()
    assert "wants to be near app=db by zone" in condition(get("web"), "PodScheduled")["message"]
    relabelled = {**get("db"), "metadata": {**get("db")["metadata"], "labels": {"app": "db"}}}
    objects.replace(kinds.POD, relabelled)
    tasks.run()
    assert place("web") == "node-b"


def test_what_runs_may_keep_others_away():
    node(labels={"kubernetes.io/hostname": "node-a"})
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    pod("hermit", status=running(), affinity=affinity, nodeName="node-a")
    pod("web", metadata={"labels": {"app": "web"}})
    pod("other", metadata={"labels": {"app": "other"}})
    tasks.run()
    assert "existing pods anti-affinity rules" in condition(get("web"), "PodScheduled")["message"]
    assert place("other") == "node-a"
