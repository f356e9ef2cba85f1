"""Where pods may go because of their claims, and what one pass decides about claims without a volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controlplane.scheduler import filters, placement
from controlplane.scheduler.claims import Candidate, Claim
from controlplane.scheduler.demand import Demand
from controlplane.scheduler.labels import Requirement, Term
from controlplane.scheduler.nodes import Node, NodeTable, Usage
from controlplane.scheduler.preemption import Bound
from controlplane.scheduler.preemption import Candidate as Victim

HOST = "kubernetes.io/hostname"


def on(*names):
    return (Term((Requirement(HOST, "In", tuple(names)),)),)


def table(*names, used=None):
    room = {"cpu": 1000, "memory": 2**30, "pods": 10}
    nodes = [
        Node(name, {HOST: name}, allocatable=room, usage=Usage({"pods": 0, **((used or {}).get(name) or {})}))
        for name in names
    ]
    return NodeTable(nodes)


def pod(name, *claims, **more):
    return Demand(uid=name, namespace="default", name=name, claims=claims, **more)


def place(nodes, *pods):
    return {one.pod.name: one.node for one in placement.place(pods, nodes)}


DATA = Claim("default/data")
BOUND = replace(DATA, bound=True, terms=on("b"))


def test_a_bound_claim_draws_its_pod_to_its_volume():
    assert place(table("a", "b", "c"), pod("p", BOUND)) == {"p": "b"}


def test_it_says_where_the_volume_is():
    nodes = table("a", "c")
    assert place(nodes, pod("p", BOUND)) == {"p": None}
    assert filters.explain(pod("p", BOUND), nodes) == (
        "0/2 nodes are available: 2 node(s) had volume node affinity conflict (claim data: its volume is on node b)."
    )


def test_what_one_pod_decides_for_a_claim_holds_for_the_next():
    for names in (("a", "b"), ("b", "a")):
        found = place(table(*names), *(pod(f"p{number}", DATA) for number in range(4)))
        assert len(set(found.values())) == 1


def test_a_claim_for_one_pod_is_for_one_pod_of_a_pass():
    found = place(table("a", "b"), *(pod(name, replace(DATA, one_pod=True)) for name in "xyz"))
    assert sum(node is not None for node in found.values()) == 1


def test_no_volume_made_by_hand_is_promised_twice():
    candidates = (Candidate("v1", on("a")), Candidate("v2", on("b")))
    claims = [replace(DATA, key=f"default/{name}", candidates=candidates) for name in "xyz"]
    nodes = table("a", "b")
    found = place(nodes, *(pod(claim.name, claim) for claim in claims))
    assert sorted(node for node in found.values() if node) == ["a", "b"]
    assert sorted(nodes.claims.volumes.values()) == ["v1", "v2"]


@pytest.mark.parametrize("claim", [replace(DATA, problem="it is not there"), replace(BOUND, terms=on("elsewhere"))])
def test_nobody_is_ended_for_a_pod_whose_data_is_not_there(claim):
    nodes = table("a", used={"a": {"cpu": 1000}})
    low = Victim("v", "default", "low", priority=0, amounts={"cpu": 1000})
    wanted = pod("p", claim, priority=10, amounts={"cpu": 500, "pods": 1})
    (found,) = placement.place([wanted], nodes, lambda: Bound({"a": [low]}))
    assert found.victims == ()
    (found,) = placement.place([replace(wanted, claims=())], nodes, lambda: Bound({"a": [low]}))
    assert found.victims == (low,)  # the same without the claim


def test_a_problem_is_said_once_and_not_counted_by_node():
    broken = replace(DATA, problem='persistentvolumeclaim "data" not found')
    assert filters.explain(pod("p", broken), table("a", "b")) == (
        '0/2 nodes are available: persistentvolumeclaim "data" not found.'
    )
