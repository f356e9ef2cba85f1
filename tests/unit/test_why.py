"""Why a pod has no node or does not run, by table; and that the table agrees with the scheduler's filters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.scheduler import causes, demand, filters, nodes, verdicts, why
from controlplane.scheduler.claims import Candidate, Claim
from controlplane.scheduler.demand import Demand, HostPort
from controlplane.scheduler.labels import Requirement, Term
from controlplane.scheduler.nodes import Node, NodeTable, Usage
from controlplane.scheduler.taints import Taint, Toleration
from schema import quantity

ROOMY = {"cpu": 4000, "memory": 8 << 30, "pods": 110, "ephemeral-storage": 100 << 30}
TAINT = Taint("dedicated", "db", "NoSchedule")


def pod(**fields: Any) -> Demand:
    return Demand("uid", "default", "web", **fields)


def asking(**amounts: int) -> Demand:
    return pod(amounts={"pods": 1, **{name.replace("_", "-"): value for name, value in amounts.items()}})


def node(name: str, **fields: Any) -> Node:
    return Node(name, **{"allocatable": ROOMY, **fields})


def explained(subject: Demand, *rows: Node, several: bool = False) -> dict[str, Any]:
    return why.explain(subject, NodeTable(rows, nodes.dimensions_of([subject])), several=several)


HALF = node("a", usage=Usage({"cpu": 3700, "pods": 1}))
CLAIM = Claim("default/data", bound=True, terms=(Term((Requirement("kubernetes.io/hostname", "In", ("b",)),)),))


@pytest.mark.parametrize(
    ("subject", "row", "change"),
    [
        (asking(cpu=500), HALF, "lower the cpu request to 300m"),
        (asking(cpu=2000), HALF, "free 1700m of cpu on a"),
        (asking(cpu=9000), node("a"), "lower the cpu request to 4"),
        (
            asking(memory=1 << 30),
            node("a", allocatable={**ROOMY, "memory": 0}),
            "add a node with at least 1Gi of memory",
        ),
        (asking(memory=3 << 30), node("a", usage=Usage({"memory": 7 << 30})), "free 2Gi of memory on a"),
        (
            asking(memory=1 << 30),
            node("a", usage=Usage({"memory": (7 << 30) + 1})),
            "lower the memory request to 1023Mi",
        ),
        (asking(), node("a", usage=Usage({"pods": 110})), "end 1 pod on a"),
        (pod(selector=(Requirement("disk", "In", ("ssd",)),)), node("a"), "remove the selector disk=ssd"),
        (
            pod(required=(Term((Requirement("zone", "In", ("eu", "us")),)),)),
            node("a"),
            "remove the required node affinity (zone in (eu, us))",
        ),
        (pod(), node("a", taints=(TAINT,)), "tolerate the taint dedicated=db:NoSchedule"),
        (pod(), node("a", cordoned=True), "uncordon a"),
        (pod(), node("a", ready="False"), "bring a back (it is not ready)"),
        (
            pod(),
            node("a", ready="Unknown", taints=(Taint("node.kubernetes.io/unreachable", "", "NoExecute"),)),
            "bring a back (it is not ready)",
        ),
        (
            pod(ports=(HostPort(80),)),
            node("a", usage=Usage(ports=[HostPort(80)])),
            "ask for another host port than 80/TCP",
        ),
        (pod(claims=(CLAIM,)), node("a"), "replace claim data by one whose volume a reaches"),
        (pod(claims=(Claim("default/data", candidates=()),)), node("a"), "make a volume for claim data that a reaches"),
        (
            pod(claims=(Claim("default/x", problem='persistentvolumeclaim "x" not found'),)),
            node("a"),
            'mend claim x: persistentvolumeclaim "x" not found',
        ),
        (
            replace(asking(cpu=500), selector=(Requirement("disk", "In", ("ssd",)),)),
            HALF,
            "remove the selector disk=ssd and lower the cpu request to 300m",
        ),
    ],
)
def test_the_smallest_change_on_one_node(subject: Demand, row: Node, change: str) -> None:
    found = explained(subject, row)
    assert (found["fits"], found["change"]) == (False, change)


def test_a_row_has_amounts_and_a_sentence() -> None:
    [row] = explained(asking(cpu=500, memory=1 << 30), HALF)["nodes"]
    by_dimension = {check["dimension"]: check for check in row["dimensions"]}
    assert by_dimension["cpu"] == {
        "filter": "Resources",
        "dimension": "cpu",
        "fits": False,
        "requested": "500m",
        "free": "300m",
        "missing": "200m",
        "message": "a has 300m cpu free, 500m asked: 200m missing",
        "remedies": [
            "lower the cpu request to 300m",
            "free 200m of cpu on a",
            "add a node with at least 500m of cpu",
        ],
    }
    assert by_dimension["memory"]["fits"]
    assert "missing" not in by_dimension["memory"]
    assert by_dimension["ready"]["fits"]


def test_fewer_changes_go_before_lighter_ones_and_lighter_before_heavier() -> None:
    both = node("a", cordoned=True, usage=Usage({"cpu": 3600, "pods": 1}))
    away = node("b", ready="Unknown")
    tainted = node("c", taints=(TAINT,))
    found = explained(asking(cpu=500), both, away, tainted)
    assert [row["node"] for row in found["nodes"]] == ["c", "b", "a"]
    assert (found["node"], found["change"]) == ("c", "tolerate the taint dedicated=db:NoSchedule")


def test_requests_of_several_containers_are_lowered_together() -> None:
    assert explained(asking(cpu=500), HALF, several=True)["change"] == "lower the cpu requests, in all, to 300m"


def test_without_nodes_one_has_to_join() -> None:
    found = explained(asking(cpu=500))
    assert (found["change"], found["nodes"]) == ("join a node", [])


def test_a_pod_that_fits_needs_no_change() -> None:
    found = explained(asking(cpu=300), HALF)
    assert (found["fits"], found["node"], found["change"]) == (True, "a", "")


def test_a_pod_meant_for_one_node_is_not_told_to_go_elsewhere() -> None:
    only_a = (Term(fields=(Requirement("metadata.name", "In", ("a",)),)),)
    assert explained(pod(required=only_a), node("a", ready="False"), node("b"))["node"] == "a"


def test_a_large_cluster_is_cut_short_after_the_nearest() -> None:
    many = [node(f"n{i:03}", usage=Usage({"cpu": 4000 - i})) for i in range(why.MOST_NODES + 7)]
    found = explained(asking(cpu=500), *many)
    assert (len(found["nodes"]), found["nodesOmitted"]) == (why.MOST_NODES, 7)
    assert found["nodes"][0]["node"] == many[-1].name


labels = st.dictionaries(st.sampled_from(["disk", "zone"]), st.sampled_from(["x", "y"]))
EFFECTS = ["NoSchedule", "NoExecute", "PreferNoSchedule"]
KEYS = ["k", "node.kubernetes.io/unreachable"]
requirements = st.builds(
    Requirement,
    st.sampled_from(["disk", "zone"]),
    st.sampled_from(["In", "NotIn", "Exists"]),
    st.sampled_from([("x",), ("y",), ("x", "y")]),
)
terms = st.builds(Term, st.tuples(requirements), st.just(()))
taints = st.builds(
    Taint,
    st.sampled_from(["k", "node.kubernetes.io/unreachable"]),
    st.just("v"),
    st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]),
)
host_ports = st.lists(st.builds(HostPort, st.sampled_from([80, 81])), max_size=2)
amounts = st.fixed_dictionaries(
    {
        "cpu": st.integers(0, 5000),
        "memory": st.integers(0, 9 << 30),
        "pods": st.just(1),
        "example.com/gpu": st.integers(0, 1),
    }
)
tolerations = st.lists(
    st.builds(Toleration, st.sampled_from([*KEYS, "node.kubernetes.io/unschedulable"]), st.just("Exists")),
    max_size=2,
)
demands = st.builds(
    lambda held, tolerated, ports, selector, required, claims: pod(
        amounts=held,
        tolerations=tuple(tolerated),
        ports=tuple(ports),
        selector=tuple(Requirement(key, "In", (value,)) for key, value in selector.items()),
        required=required,
        claims=claims,
    ),
    amounts,
    tolerations,
    host_ports,
    labels,
    st.none() | st.lists(terms, max_size=2).map(tuple),
    st.sampled_from(
        [(), (), (CLAIM,), (Claim("default/p", problem="p"),), (Claim("default/c", candidates=(Candidate("v"),)),)]
    ),
)
tables = st.lists(
    st.builds(
        lambda had, tainted, cordoned, ready, held, ports: {
            "labels": had,
            "taints": tuple(tainted),
            "cordoned": cordoned,
            "ready": ready,
            "usage": Usage({"cpu": held, "pods": held // 40, "memory": held << 20}, ports),
        },
        labels,
        st.lists(taints, max_size=2),
        st.booleans(),
        st.sampled_from(["True", "True", "False", "Unknown"]),
        st.integers(0, 4500),
        host_ports,
    ),
    min_size=1,
    max_size=4,
).map(lambda rows: [node(f"n{i}", **row) for i, row in enumerate(rows)])


@given(demands, tables)
def test_it_says_what_the_scheduler_decides(subject: Demand, rows: list[Node]) -> None:
    table = NodeTable(rows, nodes.dimensions_of([subject]))
    allowed = filters.changing_mask(subject, table, filters.fixed_mask(subject, table))
    expected = {each.name: bool(passed) for each, passed in zip(table.nodes, allowed, strict=True)}
    found = why.rows(subject, table)
    assert {row.node: row.fits for row in found} == expected
    assert all(row.change for row in found if not row.fits)


@given(amounts, tables)
def test_lowering_as_told_lets_it_fit(held: dict[str, int], rows: list[Node]) -> None:
    roomy = [node(row.name, usage=row.usage) for row in rows]
    subject = pod(amounts=held)
    change = explained(subject, *roomy)["change"]
    lowered = dict(held)
    for told in change.split(" and "):
        match = re.fullmatch(r"lower the (\S+) request to (\S+)", told)
        if match is None:
            return
        read = quantity.cpu_millis if match[1] == "cpu" else quantity.bytes_
        lowered[match[1]] = read(match[2])
    assert all(lowered[name] < held[name] for name in lowered if lowered[name] != held[name])
    assert explained(pod(amounts=lowered), *roomy)["fits"]


# Pods that have a node


def started(state: dict[str, Any], last: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    one = {"name": "main", "state": state, "lastState": last or {}, "restartCount": 3, "ready": False, **status}
    return {
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "nodeName": "a",
            "containers": [{"name": "main", "image": "x", "resources": {"limits": {"memory": "64Mi"}}}],
        },
        "status": {"phase": "Running", "containerStatuses": [one]},
    }


def event(reason: str, message: str, container: str = "main", at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    regarding = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
    return {
        "metadata": {"name": reason},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
        "involvedObject": regarding,
    }


LOOP = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **more}}


@pytest.mark.parametrize(
    ("wire", "events", "state", "cause", "suggestion", "evidence"),
    [
        (
            started(LOOP, ended(137, "OOMKilled")),
            [],
            "CrashLooping",
            "killed for using more than its memory limit of 64Mi",
            "raise the memory limit above 64Mi",
            {"exitCode": 137, "signal": "SIGKILL", "oomKilled": True, "restartCount": 3},
        ),
        (
            started(LOOP, ended(1, message="no database\nconnection refused")),
            [],
            "CrashLooping",
            "exit code 1: connection refused",
            "kubectl logs --previous -c main",
            {"exitCode": 1, "terminationMessage": "no database\nconnection refused"},
        ),
        (started(LOOP, ended(127)), [], "CrashLooping", "command not found", "correct the command", {"exitCode": 127}),
        (started(LOOP, ended(139)), [], "CrashLooping", "SIGSEGV", "log", {"signal": "SIGSEGV"}),
        (
            started(LOOP, ended(0, "Completed")),
            [],
            "CrashLooping",
            "finishes (exit code 0)",
            "use a Job",
            {"exitCode": 0},
        ),
        (
            started(LOOP, ended(137)),
            [event("Unhealthy", "Liveness probe failed: HTTP 500")],
            "CrashLooping",
            "failed its liveness probe: Liveness probe failed: HTTP 500",
            "correct the liveness probe",
            {"signal": "SIGKILL"},
        ),
        (
            started({"waiting": {"reason": "ImagePullBackOff", "message": "not found: x"}}),
            [],
            "Waiting",
            "not found: x",
            "imagePullSecrets",
            {"reason": "ImagePullBackOff", "image": "x"},
        ),
        (
            started({"waiting": {"reason": "CreateContainerConfigError", "message": 'configmap "c" not found'}}),
            [],
            "Waiting",
            'configmap "c" not found',
            "create the ConfigMap",
            {"reason": "CreateContainerConfigError"},
        ),
        (
            started({"waiting": {"reason": "ContainerCreating"}}),
            [event("FailedMount", "secret s not found", container="")],
            "Waiting",
            "secret s not found",
            "create what the volume needs",
            {"reason": "ContainerCreating"},
        ),
        (started(ended(2)), [], "Failed", "exit code 2", "kubectl logs", {"exitCode": 2}),
        (
            started({"running": {}}, started=True),
            [event("Unhealthy", "Readiness probe failed: refused")],
            "NotReady",
            "readiness probe has not passed: Readiness probe failed: refused",
            "correct the readiness probe",
            {},
        ),
        (started({"running": {}}, started=False), [], "NotReady", "startup probe has not passed", "startup probe", {}),
    ],
)
def test_cause_evidence_and_suggestion(
    wire: dict[str, Any],
    events: list[dict[str, Any]],
    state: str,
    cause: str,
    suggestion: str,
    evidence: dict[str, Any],
) -> None:
    [finding] = causes.of_pod(wire, events)
    assert finding.state == state
    assert cause in finding.cause
    assert suggestion in finding.suggestion
    assert evidence.items() <= (finding.evidence or {}).items()


def test_a_pod_that_is_well_has_no_cause() -> None:
    wire = started({"running": {}}, ready=True)
    wire["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    verdict = verdicts.of_pod(wire)
    assert (verdict.state, verdict.suggestion, verdict.details["causes"]) == ("Running", "", [])


def test_a_gated_pod_waits_for_its_gates() -> None:
    wire = {"metadata": {"name": "w"}, "spec": {"containers": [], "schedulingGates": [{"name": "quota"}]}}
    assert not verdicts.waits_for_scheduler(wire)
    assert verdicts.of_pod(wire).suggestion == "remove the gates quota"


def test_a_pod_for_which_room_is_being_made_needs_nothing() -> None:
    wire = {"metadata": {"name": "w"}, "spec": {"containers": []}, "status": {"nominatedNodeName": "a"}}
    verdict = verdicts.of_pod(wire, (), {"summary": "0/1", "change": "free 1 of cpu on a"})
    assert (verdict.suggestion, "node a has been promised" in verdict.summary) == ("", True)


def test_a_readiness_gate_that_is_closed_is_told() -> None:
    wire = started({"running": {}}, ready=True)
    wire["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": 'gate "x" is False'}]
    verdict = verdicts.of_pod(wire)
    assert (verdict.state, verdict.summary) == ("NotReady", 'gate "x" is False')


# Workloads


def named(name: str, wire: dict[str, Any]) -> dict[str, Any]:
    return {**wire, "metadata": {**wire["metadata"], "name": name}}


def of(kind: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "w", "namespace": "default"}, "spec": spec, "status": status or {}}


def judged(workload: dict[str, Any], pods: list[dict[str, Any]], events: Any = ()) -> verdicts.Verdict:
    bad = [(each, verdicts.of_pod(each)) for each in verdicts.worst(pods)]
    return verdicts.of_workload(workload, pods, bad, events)


def test_the_worst_pods_are_one_of_each_state_first() -> None:
    crashing = [named(f"c{i}", started(LOOP, ended(1))) for i in range(5)]
    pulling = named("p", started({"waiting": {"reason": "ErrImagePull", "message": "no"}}))
    assert [each["metadata"]["name"] for each in verdicts.worst([*crashing, pulling])] == ["c0", "p", "c1"]


@pytest.mark.parametrize(
    ("workload", "wanted", "summary"),
    [
        (of("Deployment", {"replicas": 3}), 3, "3 of 3 pods are missing; 3 not made"),
        (of("Deployment", {}), 1, "1 of 1 pods are missing"),
        (of("Deployment", {"replicas": 0}), 0, "it asks for no pods"),
        (of("DaemonSet", {}, {"desiredNumberScheduled": 2}), 2, "2 of 2 pods are missing"),
        (of("Job", {"parallelism": 4, "completions": 5}, {"succeeded": 3}), 2, "2 of 2 pods are missing"),
        (of("Job", {"suspend": True}), 0, "it is suspended"),
        (
            of("Job", {}, {"conditions": [{"type": "Failed", "status": "True", "message": "backoff limit"}]}),
            1,
            "backoff limit",
        ),
        (
            of(
                "ReplicaSet",
                {"replicas": 1},
                {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]},
            ),
            1,
            "1 not made: exceeded quota",
        ),
    ],
)
def test_how_many_pods_a_workload_lacks(workload: dict[str, Any], wanted: int, summary: str) -> None:
    verdict = judged(workload, [])
    assert verdict.details["pods"]["wanted"] == wanted
    assert summary in verdict.summary


def test_a_refusal_is_read_from_the_events_where_no_condition_says_it() -> None:
    told = [event("FailedCreate", "Error creating: forbidden", container="")]
    assert "Error creating: forbidden" in judged(of("StatefulSet", {"replicas": 1}), [], told).summary


def test_a_pod_that_leaves_does_not_spoil_a_workload_that_is_whole() -> None:
    well = named("new", started({"running": {}}, ready=True))
    well["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    leaving = {**well, "metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    verdict = judged(of("Deployment", {"replicas": 1}), [well, leaving])
    assert (verdict.state, verdict.details["pods"]["made"]) == ("Running", 1)


def test_a_workload_says_what_its_worst_pod_says() -> None:
    verdict = judged(of("Deployment", {"replicas": 1}), [started(LOOP, ended(137, "OOMKilled"))])
    assert verdict.state == "CrashLooping"
    assert "raise the memory limit above 64Mi" in verdict.suggestion
    assert verdict.details["worstPods"][0]["name"] == "web"
    assert verdict.details["pods"] == {"wanted": 1, "made": 1, "ready": 0, "missing": 1}


def test_demand_parses_into_the_table() -> None:
    spec = {"containers": [{"name": "a", "resources": {"requests": {"cpu": "500m"}}}], "nodeSelector": {"disk": "ssd"}}
    subject = demand.parse({"metadata": {"name": "w", "namespace": "default"}, "spec": spec})
    assert explained(subject, node("a", labels={"disk": "hdd"}))["change"] == "remove the selector disk=ssd"
