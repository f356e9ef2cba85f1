"""Each filter by table: which nodes it passes, and what it says of the others."""

from __future__ import annotations

from typing import Any

import pytest

from controlplane.scheduler import demand, filters, nodes
from controlplane.scheduler.demand import Demand, HostPort
from controlplane.scheduler.labels import Requirement, Term, any_matches
from controlplane.scheduler.nodes import Node, NodeTable, Usage
from controlplane.scheduler.taints import Taint, Toleration

ROOMY = {"cpu": 4000, "memory": 8 << 30, "pods": 110, "ephemeral-storage": 100 << 30}


def pod(spec: dict[str, Any] | None = None, **meta: Any) -> Demand:
    return demand.parse({"metadata": {"name": "web", "namespace": "default", **meta}, "spec": spec or {}})


def asking(**requests: str) -> Demand:
    named = {name.replace("_", "-"): value for name, value in requests.items()}
    return pod({"containers": [{"name": "a", "resources": {"requests": named}}]})


def passing(subject: Demand, *rows: Node) -> list[str]:
    table = NodeTable(rows, nodes.dimensions_of([subject]))
    allowed = filters.changing_mask(subject, table, filters.fixed_mask(subject, table))
    return [node.name for node, passed in zip(table.nodes, allowed, strict=True) if passed]


def explained(subject: Demand, *rows: Node) -> str:
    return filters.explain(subject, NodeTable(rows, nodes.dimensions_of([subject])))


def node(name: str, **fields: Any) -> Node:
    return Node(name, **{"allocatable": ROOMY, **fields})


@pytest.mark.parametrize(
    ("request_", "dimension", "words"),
    [
        ({"cpu": "5"}, "cpu", "1 Insufficient cpu (needs 5, 4 free on a)"),
        ({"memory": "9Gi"}, "memory", "1 Insufficient memory (needs 9Gi, 8Gi free on a)"),
        ({"ephemeral_storage": "200Gi"}, "storage", "1 Insufficient ephemeral-storage (needs 200Gi, 100Gi free on a)"),
        ({"example.com/gpu": "1"}, "device", "1 Insufficient example.com/gpu (needs 1, 0 free on a)"),
    ],
)
def test_it_keeps_a_pod_off_a_node_that_lacks_what_it_requests(
    request_: dict[str, str], dimension: str, words: str
) -> None:
    subject = asking(**request_)
    assert passing(subject, node("a")) == []
    assert explained(subject, node("a")) == f"0/1 nodes are available: {words}."


def test_it_counts_what_is_bound_already() -> None:
    used = node("a", usage=Usage({"cpu": 3500, "pods": 1}))
    assert passing(asking(cpu="500m"), used) == ["a"]
    assert passing(asking(cpu="501m"), used) == []
    assert "needs 501m, 500m free on a" in explained(asking(cpu="501m"), used)


def test_a_node_full_of_pods_takes_no_more() -> None:
    full = node("a", usage=Usage({"pods": 110}))
    assert explained(pod(), full) == "0/1 nodes are available: 1 Too many pods (needs 1, 0 free on a)."


def test_what_is_not_requested_cannot_fail_even_on_an_overcommitted_node() -> None:
    shrunk = node("a", allocatable={**ROOMY, "memory": 1}, usage=Usage({"memory": 1 << 30, "pods": 1}))
    assert passing(asking(cpu="1"), shrunk) == ["a"]


def test_it_names_several_dimensions_and_sums_up_many_nodes() -> None:
    rows = [node(f"n{i}", allocatable={**ROOMY, "cpu": 1000 * i}) for i in range(1, 5)]
    words = explained(asking(cpu="8", memory="16Gi"), *rows)
    assert "4 Insufficient cpu (needs 8, 1 free on n1, 2 free on n2, 3 free on n3, at most 4 on any of them)" in words
    assert "4 Insufficient memory" in words


@pytest.mark.parametrize(
    ("operator", "values", "labels", "holds"),
    [
        ("In", ["a", "b"], {"k": "b"}, True),
        ("In", ["a"], {"k": "c"}, False),
        ("In", ["a"], {}, False),
        ("NotIn", ["a"], {"k": "b"}, True),
        ("NotIn", ["a"], {"k": "a"}, False),
        ("NotIn", ["a"], {}, True),
        ("Exists", [], {"k": ""}, True),
        ("Exists", [], {}, False),
        ("DoesNotExist", [], {}, True),
        ("DoesNotExist", [], {"k": "x"}, False),
        ("Gt", ["3"], {"k": "4"}, True),
        ("Gt", ["3"], {"k": "3"}, False),
        ("Gt", ["3"], {"k": "many"}, False),
        ("Gt", ["3"], {}, False),
        ("Lt", ["3"], {"k": "2"}, True),
        ("Lt", ["3"], {"k": "3"}, False),
        ("Near", ["3"], {"k": "3"}, False),
    ],
)
def test_node_affinity_operators(operator: str, values: list[str], labels: dict[str, str], holds: bool) -> None:
    assert Requirement("k", operator, tuple(values)).holds(labels) is holds


def test_terms_are_alternatives_and_an_empty_one_matches_nothing() -> None:
    ssd, gpu = Term((Requirement("disk", "In", ("ssd",)),)), Term((Requirement("gpu", "Exists"),))
    assert any_matches([ssd, gpu], "n", {"gpu": "1"})
    assert not any_matches([ssd, gpu], "n", {"disk": "hdd"})
    assert not Term().matches("n", {"disk": "ssd"})


def test_it_honours_selector_and_required_affinity_together() -> None:
    subject = pod(
        {
            "nodeSelector": {"zone": "eu"},
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["b", "c"]}]}
                        ]
                    }
                }
            },
        }
    )
    eu = {"zone": "eu"}
    assert passing(subject, node("a", labels=eu), node("b", labels=eu), node("c")) == ["b"]
    assert "1 node(s) didn't match Pod's node affinity/selector (wants zone=eu and metadata.name in (b, c))" in (
        explained(subject, node("a", labels=eu))
    )


@pytest.mark.parametrize(
    ("toleration", "passes"),
    [
        ({"key": "x", "value": "y", "effect": "NoSchedule"}, True),
        ({"key": "x", "operator": "Equal", "value": "y"}, True),
        ({"key": "x", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "x", "value": "z"}, False),
        ({"key": "w", "operator": "Exists"}, False),
        ({"key": "x", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"operator": "Equal", "value": "y"}, False),
    ],
)
def test_a_taint_keeps_away_all_but_those_who_tolerate_it(toleration: dict[str, str], passes: bool) -> None:
    tainted = node("a", taints=(Taint("x", "y"),))
    assert passing(pod({"tolerations": [toleration]}), tainted) == (["a"] if passes else [])


def test_it_names_the_untolerated_taint() -> None:
    rows = [node("a", taints=(Taint("x", "y"),)), node("b", taints=(Taint("x", "y", "NoExecute"),))]
    assert explained(pod(), *rows) == "0/2 nodes are available: 2 node(s) had untolerated taint {x: y}."


def test_a_taint_that_only_prefers_excludes_nobody() -> None:
    assert passing(pod(), node("a", taints=(Taint("x", "y", "PreferNoSchedule"),))) == ["a"]


def test_a_cordoned_node_takes_only_pods_that_tolerate_it() -> None:
    cordoned = node("a", cordoned=True)
    assert explained(pod(), cordoned) == "0/1 nodes are available: 1 node(s) were unschedulable (cordoned: a)."
    tolerant = pod({"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]})
    assert passing(tolerant, cordoned) == ["a"]


@pytest.mark.parametrize("state", ["False", "Unknown"])
def test_a_node_that_is_not_ready_takes_nothing(state: str) -> None:
    assert explained(pod(), node("a", ready=state)) == "0/1 nodes are available: 1 node(s) were not ready (a)."


def test_a_pod_that_tolerates_unreachable_nodes_may_go_to_one() -> None:
    tolerant = pod({"tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]})
    assert passing(tolerant, node("a", ready="Unknown"), node("b", ready="False")) == ["a"]


@pytest.mark.parametrize(
    ("taken", "wanted", "clash"),
    [
        (HostPort(80), HostPort(80), True),
        (HostPort(80), HostPort(81), False),
        (HostPort(53, "UDP"), HostPort(53, "TCP"), False),
        (HostPort(80, "TCP", "10.0.0.1"), HostPort(80, "TCP", "10.0.0.2"), False),
        (HostPort(80, "TCP", "10.0.0.1"), HostPort(80, "TCP", "10.0.0.1"), True),
        (HostPort(80, "TCP", "10.0.0.1"), HostPort(80), True),
        (HostPort(80), HostPort(80, "TCP", "10.0.0.1"), True),
    ],
)
def test_host_ports_clash_by_number_protocol_and_address(taken: HostPort, wanted: HostPort, clash: bool) -> None:
    port = {"containerPort": 1, "hostPort": wanted.port, "protocol": wanted.protocol, "hostIP": wanted.address}
    subject = pod({"containers": [{"name": "a", "ports": [port]}]})
    assert passing(subject, node("a", usage=Usage(ports=[taken]))) == ([] if clash else ["a"])


def test_it_says_which_port_is_in_use_where() -> None:
    subject = pod({"containers": [{"name": "a", "ports": [{"hostPort": 8080}]}]})
    words = explained(subject, node("a", usage=Usage(ports=[HostPort(8080)])))
    assert "1 node(s) didn't have free ports for the requested pod ports (8080/TCP in use on a)" in words


def test_a_pod_on_the_hosts_network_occupies_its_container_ports() -> None:
    spec = {"hostNetwork": True, "containers": [{"name": "a", "ports": [{"containerPort": 9100}]}]}
    assert pod(spec).ports == (HostPort(9100),)
    assert pod({**spec, "hostNetwork": False}).ports == ()


def test_all_addresses_may_be_spelt_out() -> None:
    spec = {"containers": [{"name": "a", "ports": [{"hostPort": 80, "hostIP": "0.0.0.0"}]}]}
    assert pod(spec).ports == (HostPort(80),)


def test_each_node_is_counted_once_by_the_first_filter_it_fails() -> None:
    small = {"cpu": 100, "pods": 10}
    words = explained(
        asking(cpu="1"),
        node("a", cordoned=True, allocatable=small),
        node("b", taints=(Taint("x"),), allocatable=small),
        node("c", allocatable=small),
    )
    assert words == (
        "0/3 nodes are available: 1 node(s) were unschedulable (cordoned: a), 1 node(s) had untolerated taint {x: }, "
        "1 Insufficient cpu (needs 1, 100m free on c)."
    )


def test_without_nodes_it_says_so() -> None:
    assert explained(pod()) == "0/0 nodes are available: no node has joined the cluster."


def test_it_reads_a_node_object() -> None:
    wire = {
        "metadata": {"name": "a", "labels": {"disk": "ssd"}},
        "spec": {
            "unschedulable": True,
            "taints": [
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
                {"key": "x", "value": "y", "effect": "NoExecute"},
            ],
        },
        "status": {
            "allocatable": {"cpu": "1500m", "memory": "1Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
    parsed = nodes.parse(wire)
    assert parsed.cordoned
    assert parsed.ready == "True"
    assert parsed.taints == (Taint("x", "y", "NoExecute"),)
    assert parsed.allocatable == {"cpu": 1500, "memory": 1 << 30, "pods": 110}


def test_a_node_that_has_never_reported_is_not_ready() -> None:
    assert nodes.parse({"metadata": {"name": "a"}}).ready == "Unknown"


@pytest.mark.parametrize(
    ("spec", "amounts"),
    [
        ({}, {}),
        ({"containers": [{"resources": {"requests": {"cpu": "100m"}}}] * 2}, {"cpu": 200}),
        ({"containers": [{"resources": {"limits": {"memory": "1Mi"}}}]}, {"memory": 1 << 20}),
        (
            {
                "initContainers": [{"resources": {"requests": {"cpu": "1"}}}],
                "containers": [{"resources": {"requests": {"cpu": "300m", "memory": "1Mi"}}}],
            },
            {"cpu": 1000, "memory": 1 << 20},
        ),
        (
            {
                "initContainers": [
                    {"restartPolicy": "Always", "resources": {"requests": {"cpu": "200m"}}},
                    {"resources": {"requests": {"cpu": "900m"}}},
                ],
                "containers": [{"resources": {"requests": {"cpu": "500m"}}}],
            },
            {"cpu": 1100},
        ),
        ({"overhead": {"cpu": "10m"}, "containers": [{"resources": {"requests": {"cpu": "90m"}}}]}, {"cpu": 100}),
        (
            {"resources": {"requests": {"cpu": "1"}}, "containers": [{"resources": {"requests": {"cpu": "90m"}}}]},
            {"cpu": 1000},
        ),
    ],
    ids=["nothing", "sum", "limits", "init", "sidecar", "overhead", "whole pod"],
)
def test_requests_of_a_pod(spec: dict[str, Any], amounts: dict[str, int]) -> None:
    assert demand.requests(spec) == amounts


def test_tolerations_read_their_defaults() -> None:
    assert Toleration.parse({"key": "x"}) == Toleration("x", "Equal", "", "")
