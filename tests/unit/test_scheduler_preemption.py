"""Preemption by tables and by its invariants: only lower pods, no more than must be, no room promised twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.scheduler import nodes, placement
from controlplane.scheduler.demand import Demand, HostPort
from controlplane.scheduler.nodes import Node, NodeTable, Usage
from controlplane.scheduler.placement import Placement
from controlplane.scheduler.preemption import Bound, Candidate
from controlplane.scheduler.taints import Taint


def candidate(name: str, cpu: int = 1000, priority: int = 0, **fields: Any) -> Candidate:
    return Candidate(name, "default", name, priority, amounts={"cpu": cpu, "pods": 1}, **fields)


def cluster(rows: dict[str, list[Candidate]], cpu: int = 2000, **fields: Any) -> list[Node]:
    """Nodes that hold these pods."""
    made = []
    for name, pods in rows.items():
        used = {"cpu": sum(each.amounts["cpu"] for each in pods), "pods": len(pods)}
        ports = [port for each in pods for port in each.ports]
        allocatable = {"cpu": cpu, "pods": 110}
        made.append(Node(name, allocatable=allocatable, usage=Usage(used, ports), **fields))
    return made


def vip(name: str = "vip", cpu: int = 1000, priority: int = 10, **fields: Any) -> Demand:
    return Demand(name, "default", name, priority=priority, amounts={"cpu": cpu, "pods": 1}, **fields)


def decide(
    rows: dict[str, list[Candidate]], *pods: Demand, allowed: dict[str, int] | None = None, **fields: Any
) -> dict[str, Placement]:
    table = NodeTable(cluster(rows, **fields), nodes.dimensions_of(pods))
    return {each.pod.name: each for each in placement.place(pods, table, lambda: Bound(rows, allowed or {}))}


def outcome(one: Placement) -> tuple[str, list[str]]:
    return one.nominated, [victim.name for victim in one.victims]


def test_the_lowest_goes_and_no_more_than_must() -> None:
    rows = {"a": [candidate("low", 500), candidate("mid", 500, 5), candidate("more", 1000, 1)]}
    assert outcome(decide(rows, vip(cpu=500))["vip"]) == ("a", ["low"])
    assert outcome(decide(rows, vip(cpu=1000))["vip"]) == ("a", ["more"]), "one suffices where two would do as well"


def test_the_pod_is_told_what_it_waits_for() -> None:
    told = decide({"a": [candidate("low", 2000)]}, vip())["vip"]
    assert told.node is None
    assert told.reason.endswith("Preemption: a has been promised to it and pods of lower priority are ending there.")


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        pytest.param(
            {"a": [candidate("x", 2000, 5)], "b": [candidate("y", 2000, 1)]}, ("b", ["y"]), id="the lower victim"
        ),
        pytest.param(
            {"a": [candidate("x", 1000), candidate("y", 1000)], "b": [candidate("z", 2000)]},
            ("b", ["z"]),
            id="fewer victims",
        ),
        pytest.param(
            {
                "a": [candidate("x", 2000, started="2026-01-01T00:00:00Z")],
                "b": [candidate("y", 2000, started="2026-01-02T00:00:00Z")],
            },
            ("b", ["y"]),
            id="the younger victim",
        ),
        pytest.param({"a": [candidate("x", 2000)], "b": [candidate("y", 2000)]}, ("a", ["x"]), id="by name"),
        pytest.param(
            {"a": [candidate("x", 2000, budgets=("db",))], "b": [candidate("y", 2000, 9)]},
            ("b", ["y"]),
            id="a budget weighs more than priority",
        ),
        pytest.param({"a": [candidate("x", 2000, budgets=("db",))]}, ("a", ["x"]), id="a budget as the last resort"),
        pytest.param(
            {"a": [candidate("x", 2000, ending=True)], "b": [candidate("y", 2000)]},
            ("a", []),
            id="nobody goes for what is on its way",
        ),
        pytest.param({"a": [candidate("x", 2000, 10)]}, ("", []), id="not an equal"),
        pytest.param({"a": [candidate("x", 500)], "b": []}, ("", []), id="not where it would not help"),
    ],
)
def test_the_node_that_harms_least_is_chosen(rows: dict[str, list[Candidate]], chosen: Any) -> None:
    assert outcome(decide(rows, vip(cpu=2001 if "b" in rows and not rows["b"] else 2000))["vip"]) == chosen


def test_a_budget_that_allows_it_protects_nobody() -> None:
    rows = {"a": [candidate("x", 2000, budgets=("db",))], "b": [candidate("y", 2000, 9)]}
    assert outcome(decide(rows, vip(cpu=2000), allowed={"db": 1})["vip"]) == ("a", ["x"])


def test_a_budget_is_spent_once() -> None:
    rows = {name: [candidate(name, 2000, budgets=("db",))] for name in "ab"} | {"c": [candidate("c", 2000, 9)]}
    decided = decide(rows, vip("v1", 2000), vip("v2", 2000), allowed={"db": 1})
    assert [outcome(decided[name]) for name in ("v1", "v2")] == [("a", ["a"]), ("c", ["c"])]


def test_never_means_never() -> None:
    assert outcome(decide({"a": [candidate("x", 2000)]}, vip(preempts=False))["vip"]) == ("", [])


def test_a_node_that_its_wishes_rule_out_is_left_alone() -> None:
    rows = {"a": [candidate("x", 2000)]}
    assert outcome(decide(rows, vip(), taints=(Taint("k", "v", "NoSchedule"),))["vip"]) == ("", [])


def test_a_host_port_can_be_fought_for() -> None:
    rows = {"a": [candidate("x", 1, ports=(HostPort(80),)), candidate("y", 1)]}
    assert outcome(decide(rows, vip(ports=(HostPort(80),)))["vip"]) == ("a", ["x"])


def test_the_room_is_not_given_to_a_less_important_pod_meanwhile() -> None:
    rows = {"a": [candidate("leaving", 1000, ending=True), candidate("x", 500)]}
    small = vip("small", cpu=500, priority=1)
    decided = decide(rows, vip(cpu=1500), small)
    assert outcome(decided["vip"]) == ("a", [])
    assert decided["small"].node is None


def test_a_promise_is_kept_where_others_are_as_good() -> None:
    rows = {"a": [candidate("x", 2000, ending=True)], "b": [candidate("y", 2000, ending=True)]}
    assert outcome(decide(rows, vip(nominated="b"))["vip"]) == ("b", [])


drawn = st.builds(
    lambda number, cpu, priority, budget, ending: candidate(
        f"c{number}", cpu, priority, budgets=("db",) if budget else (), ending=ending
    ),
    st.integers(0, 10**6),
    st.integers(1, 1500),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
bounds = st.lists(drawn, max_size=12, unique_by=lambda each: each.name)
wanting = st.lists(
    st.builds(
        lambda number, cpu, priority, preempts: vip(f"v{number}", cpu, priority, preempts=preempts),
        st.integers(0, 10**6),
        st.integers(1, 2500),
        st.integers(0, 4),
        st.booleans(),
    ),
    max_size=8,
    unique_by=lambda each: each.name,
)


@given(bounds, wanting, st.integers(0, 3))
def test_only_lower_pods_go_no_more_than_must_and_no_room_is_promised_twice(
    held: list[Candidate], pods: list[Demand], allowed: int
) -> None:
    rows: dict[str, list[Candidate]] = {"a": [], "b": [], "c": []}
    for each in held:
        name = min(rows, key=lambda row: sum(one.amounts["cpu"] for one in rows[row]))
        if sum(one.amounts["cpu"] for one in rows[name]) + each.amounts["cpu"] <= 2000:
            rows[name].append(each)
    decided = decide(rows, *pods, allowed={"db": allowed})
    gone = [victim.uid for one in decided.values() for victim in one.victims]
    assert len(gone) == len(set(gone))
    for one in decided.values():
        assert all(victim.priority < one.pod.priority and not victim.ending for victim in one.victims)
        assert not one.victims or (one.pod.preempts and one.nominated)
    for name, pods_here in rows.items():
        placed = sum(one.pod.amounts["cpu"] for one in decided.values() if one.node == name)
        promised = sum(one.pod.amounts["cpu"] for one in decided.values() if one.nominated == name)
        staying = sum(each.amounts["cpu"] for each in pods_here if each.uid not in gone and not each.ending)
        assert not promised or staying + placed + promised <= 2000
        if len([one for one in decided.values() if one.nominated == name]) == 1 and not placed:
            (one,) = (each for each in decided.values() if each.nominated == name)
            assert all(staying + promised + victim.amounts["cpu"] > 2000 for victim in one.victims)
