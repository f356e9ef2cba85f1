"""Scores by table; placement by its invariants: never overcommits, never breaks a filter, explains whom it leaves."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.scheduler import demand, filters, nodes, placement, scoring
from controlplane.scheduler.demand import Demand, HostPort
from controlplane.scheduler.labels import Requirement, parse_terms
from controlplane.scheduler.nodes import Node, NodeTable, Usage
from controlplane.scheduler.taints import Taint, Toleration

ROOMY = {"cpu": 4000, "memory": 8 << 30, "pods": 110, "ephemeral-storage": 100 << 30}


def node(name: str, **fields: Any) -> Node:
    return Node(name, **{"allocatable": ROOMY, **fields})


def pod(name: str, **fields: Any) -> Demand:
    amounts = fields.pop("amounts", {})
    return Demand(uid=name, namespace="default", name=name, amounts={"pods": 1, **amounts}, **fields)


def places(pods: list[Demand], *rows: Node) -> dict[str, str | None]:
    table = NodeTable(rows, nodes.dimensions_of(pods))
    return {each.pod.name: each.node for each in placement.place(pods, table)}


def test_it_prefers_the_emptiest_node() -> None:
    busy = node("a", usage=Usage({"cpu": 2000, "memory": 4 << 30, "pods": 5}))
    assert places([pod("p", amounts={"cpu": 100})], busy, node("b")) == {"p": "b"}


def test_pods_without_requests_spread_too() -> None:
    placed = places([pod(f"p{i}") for i in range(6)], node("a"), node("b"), node("c"))
    assert Counter(placed.values()) == {"a": 2, "b": 2, "c": 2}


def test_pods_of_one_owner_spread_even_over_unequally_full_nodes() -> None:
    busy = node("a", usage=Usage({"cpu": 1000, "pods": 3}))
    placed = places([pod(f"p{i}", spread="owner") for i in range(4)], busy, node("b"))
    assert Counter(placed.values()) == {"a": 2, "b": 2}


def test_spreading_counts_pods_that_run_already() -> None:
    occupied = node("a", usage=Usage({"pods": 1}, groups={"owner": 1}))
    fuller = node("b", usage=Usage({"cpu": 1000, "pods": 4}))
    assert places([pod("p", spread="owner")], occupied, fuller) == {"p": "b"}


def test_equally_good_nodes_are_taken_by_name_whatever_their_order() -> None:
    assert places([pod("p")], node("b"), node("a"), node("c")) == {"p": "a"}


def test_a_preferred_affinity_outweighs_a_fuller_node() -> None:
    preferred = demand.parse(
        {
            "metadata": {"name": "p"},
            "spec": {
                "affinity": {
                    "nodeAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "weight": 10,
                                "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]},
                            }
                        ]
                    }
                }
            },
        }
    )
    ssd = node("b", labels={"disk": "ssd"}, usage=Usage({"cpu": 2000, "pods": 1}))
    assert places([preferred], node("a"), ssd) == {"p": "b"}


def test_affinity_weights_add_up() -> None:
    terms = (
        (10, parse_terms([{"matchExpressions": [{"key": "x", "operator": "Exists"}]}])[0]),
        (30, parse_terms([{"matchExpressions": [{"key": "y", "operator": "Exists"}]}])[0]),
    )
    table = NodeTable([node("a", labels={"x": ""}), node("b", labels={"x": "", "y": ""}), node("c")])
    assert list(scoring.preferred_affinity(pod("p", preferred=terms), table)) == [25.0, 100.0, 0.0]


def test_a_node_that_would_rather_not_comes_last() -> None:
    reluctant = node("a", taints=(Taint("x", "", "PreferNoSchedule"),))
    assert places([pod("p")], reluctant, node("b", usage=Usage({"cpu": 3000, "pods": 1}))) == {"p": "b"}
    assert places([pod("p")], reluctant) == {"p": "a"}


def test_priority_goes_first_then_age() -> None:
    one = node("a", allocatable={**ROOMY, "pods": 1})
    young, old = pod("young", created="2026-01-02T00:00:00Z"), pod("old", created="2026-01-01T00:00:00Z")
    assert places([young, old], one) == {"old": "a", "young": None}
    assert places([young, old, pod("vip", priority=1, created="2026-01-03T00:00:00Z")], one)["vip"] == "a"


def test_a_smaller_pod_still_fits_after_a_larger_one_did_not() -> None:
    placed = places([pod("a-big", amounts={"cpu": 5000}), pod("b-small", amounts={"cpu": 100})], node("n"))
    assert placed == {"a-big": None, "b-small": "n"}


def test_two_pods_of_one_host_port_take_two_nodes_and_the_third_waits() -> None:
    pods = [pod(f"p{i}", ports=(HostPort(80),)) for i in range(3)]
    assert places(pods, node("a"), node("b")) == {"p0": "a", "p1": "b", "p2": None}


def test_explanations_are_of_the_moment() -> None:
    table = NodeTable([node("a", allocatable={**ROOMY, "cpu": 1000})])
    pods = [pod(f"p{i}", amounts={"cpu": 600}) for i in range(3)]
    reasons = [each.reason for each in placement.place(pods, table)]
    assert reasons == ["", *["0/1 nodes are available: 1 Insufficient cpu (needs 600m, 400m free on a)."] * 2]


nodes_drawn = st.builds(
    Node,
    name=st.text("abcdef", min_size=1, max_size=3),
    labels=st.dictionaries(st.sampled_from(["disk", "zone"]), st.sampled_from(["x", "y"])),
    taints=st.lists(
        st.builds(
            Taint, st.sampled_from("xy"), st.just(""), st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"])
        ),
        max_size=2,
    ).map(tuple),
    cordoned=st.booleans(),
    ready=st.sampled_from(["True", "True", "True", "False", "Unknown"]),
    allocatable=st.fixed_dictionaries(
        {"cpu": st.integers(0, 4000), "memory": st.integers(0, 1 << 32), "pods": st.integers(0, 5)}
    ),
    usage=st.builds(
        lambda cpu, ports: Usage({"cpu": cpu, "pods": 1}, ports),
        st.integers(0, 5000),
        st.lists(st.builds(HostPort, st.integers(80, 82)), max_size=2),
    ),
)
pods_drawn = st.builds(
    lambda number, amounts, **fields: Demand(
        uid=str(number),
        namespace="d",
        name=f"p{number}",
        amounts={**amounts, "pods": 1},
        constraints=repr((fields["selector"], fields["tolerations"])).encode(),
        **fields,
    ),
    number=st.integers(0, 10**6),
    amounts=st.fixed_dictionaries({}, optional={"cpu": st.integers(1, 2000), "memory": st.integers(1, 1 << 31)}),
    priority=st.integers(0, 2),
    selector=st.lists(st.builds(Requirement, st.just("disk"), st.just("In"), st.just(("x",))), max_size=1).map(tuple),
    tolerations=st.lists(st.builds(Toleration, st.sampled_from("xy"), st.just("Exists")), max_size=1).map(tuple),
    ports=st.lists(
        st.builds(HostPort, st.integers(80, 82), st.just("TCP"), st.sampled_from(["", "10.0.0.1"])), max_size=1
    ).map(tuple),
    spread=st.sampled_from([None, "g", "h"]),
)
clusters = st.lists(nodes_drawn, max_size=6, unique_by=lambda each: each.name)
crowds = st.lists(pods_drawn, max_size=20, unique_by=lambda each: each.uid)


@given(clusters, crowds)
def test_it_never_overcommits_a_node_with_what_it_places(rows: list[Node], pods: list[Demand]) -> None:
    placed = placement.place(pods, NodeTable(rows, nodes.dimensions_of(pods)))
    for row in rows:
        mine = [each.pod for each in placed if each.node == row.name]
        for name in {name for each in mine for name, amount in each.amounts.items() if amount}:
            total = row.usage.amounts.get(name, 0) + sum(each.amounts.get(name, 0) for each in mine)
            assert total <= row.allocatable.get(name, 0)
        ports = [*row.usage.ports, *(port for each in mine for port in each.ports)]
        new = ports[len(row.usage.ports) :]
        assert not any(port.clashes(other) for port in new for other in ports if other is not port)


@given(clusters, crowds)
def test_it_never_violates_a_fixed_filter(rows: list[Node], pods: list[Demand]) -> None:
    for each in placement.place(pods, NodeTable(rows, nodes.dimensions_of(pods))):
        if each.node is not None:
            alone = NodeTable([row for row in rows if row.name == each.node])
            assert filters.fixed_mask(each.pod, alone).all()


@given(clusters, crowds)
def test_it_decides_on_every_pod_once_and_explains_whom_it_leaves(rows: list[Node], pods: list[Demand]) -> None:
    table = NodeTable(rows, nodes.dimensions_of(pods))
    placed = placement.place(pods, table)
    assert Counter(each.pod.uid for each in placed) == Counter(each.uid for each in pods)
    for each in placed:
        assert (each.node is None) == bool(each.reason)
        assert each.node is not None or each.reason.startswith(f"0/{len(rows)} nodes are available: ")
        assert not each.reason.endswith(": .")


@given(clusters, crowds)
def test_no_pod_is_left_while_a_node_could_take_it(rows: list[Node], pods: list[Demand]) -> None:
    table = NodeTable(rows, nodes.dimensions_of(pods))
    for each in placement.place(pods, table):
        if each.node is None:
            allowed = filters.changing_mask(each.pod, table, filters.fixed_mask(each.pod, table))
            assert not allowed.any()


@given(clusters, crowds, st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_listed_does_not_matter(
    rows: list[Node], pods: list[Demand], random: Any
) -> None:
    before = placement.place(pods, NodeTable(rows, nodes.dimensions_of(pods)))
    shuffled_rows, shuffled_pods = random.sample(rows, len(rows)), random.sample(pods, len(pods))
    after = placement.place(shuffled_pods, NodeTable(shuffled_rows, nodes.dimensions_of(pods)))
    assert [(each.pod.uid, each.node) for each in before] == [(each.pod.uid, each.node) for each in after]


@pytest.mark.parametrize(
    ("meta", "group"),
    [
        ({"ownerReferences": [{"uid": "o", "controller": True}], "labels": {"a": "b"}}, "o"),
        ({"ownerReferences": [{"uid": "o"}], "namespace": "n", "labels": {"a": "b"}}, ("n", (("a", "b"),))),
        ({"labels": {}}, None),
        ({}, None),
    ],
)
def test_pods_are_grouped_by_controller_else_by_labels(meta: dict[str, Any], group: Any) -> None:
    assert demand.spread_group(meta) == group
