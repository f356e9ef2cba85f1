"""The decisions of a DaemonSet, and what a node is to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.controllers.daemonsets import controller, placing
from controlplane.controllers.daemonsets.decide import DaemonPod, Fate, Strategy, decide, is_available
from schema import meta

RUN, STAY, AWAY = Fate(run=True), Fate(run=False, stay=True), Fate(run=False, stay=False)


def old(name="old", **more):
    return DaemonPod(name, updated=False, available=more.pop("available", True), **more)


def new(name="new", **more):
    return DaemonPod(name, updated=True, available=more.pop("available", True), **more)


@pytest.mark.parametrize(
    ("fate", "pods", "strategy", "create", "delete"),
    [
        (RUN, [], Strategy(), ["n"], []),
        (STAY, [], Strategy(), [], []),
        (STAY, [new()], Strategy(), [], []),
        (AWAY, [new()], Strategy(), [], ["new"]),
        (AWAY, [new(terminating=True)], Strategy(), [], []),
        (RUN, [new(terminating=True)], Strategy(), [], []),
        (RUN, [new("x", created="2"), new("y", created="1")], Strategy(), [], ["x"]),
        (RUN, [new("x", created="2"), new("y", created="1", available=False)], Strategy(), [], ["y"]),
        (RUN, [new(failed=True, available=False)], Strategy(), ["n"], ["new"]),
        (RUN, [new(failed=True, available=False, retry_in=3.0)], Strategy(), [], []),
        (RUN, [old()], Strategy(), [], ["old"]),
        (RUN, [old()], Strategy(rolling=False), [], []),
        (RUN, [old(available=False)], Strategy(max_unavailable=1), [], ["old"]),
        (RUN, [old()], Strategy(max_unavailable=0, max_surge=1), ["n"], []),
        (RUN, [old(), new(available=False)], Strategy(max_unavailable=0, max_surge=1), [], []),
        (RUN, [old(), new()], Strategy(max_unavailable=0, max_surge=1), [], ["old"]),
        (RUN, [old(available=False)], Strategy(max_unavailable=0, max_surge=1), [], ["old"]),
        (RUN, [old(), new()], Strategy(), [], ["old"]),
    ],
)
def test_one_node(fate, pods, strategy, create, delete):
    decision = decide({"n": fate}, {"n": pods}, strategy)
    assert (decision.create, sorted(set(decision.delete))) == (create, delete)


def test_a_failed_pod_is_replaced_when_its_back_off_is_over():
    assert decide({"n": RUN}, {"n": [new(failed=True, retry_in=3.0)]}, Strategy()).retry_in == 3.0


def test_a_pod_on_a_node_that_is_no_more_goes():
    assert decide({}, {"n": [new()]}, Strategy()).delete == ["new"]


NODES = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from([RUN, RUN, RUN, STAY, AWAY]), max_size=7)
STRATEGIES = st.one_of(
    st.builds(Strategy, rolling=st.just(True), max_unavailable=st.integers(1, 3)),
    st.builds(Strategy, rolling=st.just(True), max_unavailable=st.just(0), max_surge=st.integers(1, 3)),
)
POD = st.builds(
    DaemonPod,
    name=st.just(""),
    updated=st.booleans(),
    available=st.booleans(),
    terminating=st.booleans(),
    failed=st.booleans(),
)


@st.composite
def worlds(draw):
    nodes = draw(NODES)
    pods = {}
    for node in nodes:
        found = draw(st.lists(POD, max_size=3))
        pods[node] = [
            replace(one, name=f"{node}{index}", available=one.available and one.lives)
            for index, one in enumerate(found)
        ]
    return nodes, pods


def act(pods, decision, made):
    for node, group in pods.items():
        pods[node] = [
            replace(one, terminating=True, available=False) if one.name in decision.delete else one for one in group
        ]
    for node in decision.create:
        pods.setdefault(node, []).append(DaemonPod(f"made{next(made)}"))


def settle(pods):
    """One thing that an agent does; whether there was any."""
    for node, group in pods.items():
        for one in group:
            if one.terminating:
                group.remove(one)
                return True
            if one.lives and not one.available:
                pods[node] = [replace(each, available=True) if each is one else each for each in group]
                return True
    return False


@settings(max_examples=300, deadline=None)
@given(worlds(), STRATEGIES)
def test_it_converges_to_one_new_pod_on_each_node_and_then_does_nothing(world, strategy):
    nodes, pods = world
    made = iter(range(1000))
    for _ in range(200):
        decision = decide(nodes, pods, strategy)
        act(pods, decision, made)
        if not settle(pods) and not decision.create and not decision.delete:
            break
    decision = decide(nodes, pods, strategy)
    assert not decision.create
    assert not decision.delete
    for node, fate in nodes.items():
        if fate.run:
            (only,) = pods[node]
            assert only.updated
            assert only.available
        elif not fate.stay:
            assert not pods[node]


@settings(max_examples=300, deadline=None)
@given(worlds(), STRATEGIES)
def test_an_update_takes_no_more_than_may_be_unavailable_and_adds_no_more_than_the_surge(world, strategy):
    nodes, pods = world
    running = [node for node, fate in nodes.items() if fate.run]
    before = [node for node in running if is_available(pods[node])]
    decision = decide(nodes, pods, strategy)
    act(pods, decision, iter(range(1000)))
    after = [node for node in before if is_available(pods[node])]
    lost = len(before) - len(after)
    assert not lost or len(after) >= len(running) - strategy.max_unavailable
    doubled = [node for node in running if sum(one.lives for one in pods[node]) > 1]
    assert not set(doubled) & set(decision.create) or len(doubled) <= max(strategy.max_surge, 1)


# Nodes


def node(labels=None, taints=(), **spec):
    return {"metadata": {"name": "n", "labels": labels or {}}, "spec": {"taints": list(taints), **spec}}


def taint(key, effect="NoSchedule"):
    return {"key": key, "effect": effect}


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("the_node", "spec", "fate"),
    [
        (node(), {}, RUN),
        (node({"disk": "ssd"}), {"nodeSelector": {"disk": "ssd"}}, RUN),
        (node(), {"nodeSelector": {"disk": "ssd"}}, AWAY),
        (node(), {"nodeName": "other"}, AWAY),
        (node(taints=[taint("mine")]), {}, STAY),
        (node(taints=[taint("mine", "NoExecute")]), {}, AWAY),
        (node(taints=[taint("mine")]), {"tolerations": [{"operator": "Exists"}]}, RUN),
        (node(taints=[taint("node.kubernetes.io/unschedulable")], unschedulable=True), {}, RUN),
        (node(taints=[taint("node.kubernetes.io/unreachable", "NoExecute")]), {}, RUN),
        (node(taints=[taint("node.kubernetes.io/disk-pressure")]), {}, RUN),
        (node(taints=[taint("node.kubernetes.io/network-unavailable")]), {}, STAY),
        (node(taints=[taint("node.kubernetes.io/network-unavailable")]), {"hostNetwork": True}, RUN),
        (
            node({"zone": "a"}),
            {
                "affinity": {
                    "nodeAffinity": {
                        REQUIRED: {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["b"]}]}
                            ]
                        }
                    }
                }
            },
            AWAY,
        ),
    ],
)
def test_what_a_node_is_to_it(the_node, spec, fate):
    assert placing.fate(the_node, {"spec": spec}) == fate


def test_a_pod_is_meant_for_one_node():
    owner = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "log", "namespace": "default", "uid": "u"},
    }
    template = {"metadata": {"labels": {"app": "log"}}, "spec": {"containers": []}}
    revision = {
        "metadata": {"name": "log-h", "labels": {"controller.kubernetes.io/hash": "h"}},
        "data": {"spec": {"template": {"$patch": "replace", **template}}},
    }
    one = placing.pod(owner, revision, "a", failures=0)
    assert placing.node_of(one) == "a"
    assert one["metadata"]["labels"] == {"app": "log", "controller-revision-hash": "h"}
    assert placing.pod(owner, revision, "a", failures=0)["metadata"]["name"] == one["metadata"]["name"]
    others = {placing.pod(owner, revision, "b", failures=0)["metadata"]["name"]}
    others.add(placing.pod(owner, revision, "a", failures=1)["metadata"]["name"])
    assert one["metadata"]["name"] not in others


def test_back_off_doubles_and_is_forgotten_by_a_long_life():
    now = meta.now()

    def failed(before, *, age, lived=5):
        created, at = now - timedelta(seconds=age + lived), now - timedelta(seconds=age)
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": meta.format_time(at)}
        metadata = {"annotations": {placing.FAILURES: before}, "creationTimestamp": meta.format_time(created)}
        return {"metadata": metadata, "status": {"phase": "Failed", "conditions": [ready]}}

    assert controller.retry_in(failed("0", age=2), now) == 0.0
    assert 6.0 <= controller.retry_in(failed("3", age=1), now) <= 8.0
    assert controller.failures_with(failed("3", age=1)) == 4
    assert controller.failures_with(failed("9", age=1, lived=3600)) == 1
