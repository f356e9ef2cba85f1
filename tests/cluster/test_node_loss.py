"""Nodes that are lost and come back: what is replaced, what stays, and what is held back."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import images
from tests.cluster.instance import condition, container_status, wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

LOST_SECONDS = 6.0
TOLERATED_SECONDS = 2.0
FOR_EVER = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    settings = {"SLIPWAY_NODE_LOST_SECONDS": str(LOST_SECONDS), "SLIPWAY_TOLERATION_SECONDS": f"{TOLERATED_SECONDS:g}"}
    with lab(nodes=3, **settings) as made:
        yield made


@pytest.fixture(scope="module")
def image(cluster: Lab) -> Iterator[str]:
    with cluster.registry() as registry:
        yield images.busybox().push(registry, "busybox:latest")


def run_on(cluster: Lab, node: str, name: str, image: str, **spec: Any) -> dict[str, Any]:
    script = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
    cluster.create(pod(name, container("main", image, script), nodeName=node, **spec))
    return container_status(cluster.wait_running(name), "main")


def taints(cluster: Lab, node: str) -> set[tuple[str, str]]:
    spec = cluster.api.get(f"/api/v1/nodes/{node}").json()["spec"]
    return {(each["key"].partition("/")[2], each["effect"]) for each in spec.get("taints") or ()}


def processes(cluster: Lab, node: str, name: str) -> set[str]:
    uid = (cluster.pod(name) or {}).get("metadata", {}).get("uid", name)
    parent = cluster.places(node).cgroup_parent
    found = Path("/sys/fs/cgroup").glob(f"**/{parent}/pod{uid}/**/cgroup.procs")
    return {pid for procs in found for pid in procs.read_text().split()}


def test_a_silent_nodes_pods_are_given_up_and_stopped_when_it_is_back(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    leaves = run_on(cluster, node, "leaves", image)
    stays = run_on(cluster, node, "stays", image, tolerations=FOR_EVER)
    assert (leaves["restartCount"], stays["restartCount"]) == (0, 0)
    began = time.monotonic()
    cluster.partition(node)
    cluster.wait_node(node, "Unknown")
    wait_for("its taints", lambda: ("unreachable", "NoExecute") in taints(cluster, node))
    assert condition(cluster.pod("stays") or {}, "Ready") == "False"
    cluster.wait_pod("leaves", "is deleted", lambda found: "deletionTimestamp" in found["metadata"])
    assert time.monotonic() - began > TOLERATED_SECONDS  # not at once
    gone = cluster.pod("leaves")
    assert gone is not None
    assert condition(gone, "DisruptionTarget") == "True"
    assert processes(cluster, node, "leaves")  # it runs there, so it stays here
    uid = gone["metadata"]["uid"]
    cluster.heal(node)
    cluster.wait_node(node)
    wait_for("what was given up is gone", lambda: cluster.pod("leaves") is None)
    assert not processes(cluster, node, uid)
    kept = container_status(cluster.wait_running("stays"), "main")
    assert (kept["containerID"], kept["restartCount"]) == (stays["containerID"], 0)
    wait_for("no taints", lambda: taints(cluster, node) == set())
    cluster.delete_pod("stays")


def test_an_agent_that_is_back_in_time_leaves_its_pods_ready(cluster: Lab, image: str) -> None:
    node = cluster.nodes[2]
    run_on(cluster, node, "steady", image)
    watched = cluster.api.get("/api/v1/namespaces/default/pods/steady").json()["metadata"]["resourceVersion"]
    pid = cluster.agent_pid(node)
    cluster.restart_agent(node)
    wait_for("another agent runs", lambda: cluster.agent_pid(node) not in (None, pid))
    cluster.wait_node(node)
    with cluster.api.stream(
        "GET",
        "/api/v1/namespaces/default/pods",
        params={"watch": "1", "resourceVersion": watched, "timeoutSeconds": str(int(LOST_SECONDS) + 1)},
    ) as answer:
        assert [
            line for line in answer.iter_lines() if '"name":"steady"' in line and '"reason":"NodeNotReady"' in line
        ] == []
    assert condition(cluster.pod("steady") or {}, "Ready") == "True"
    cluster.delete_pod("steady")


def test_out_of_service_ends_pods_without_their_agents_word(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    run_on(cluster, node, "stuck", image)
    cluster.kill(node, host=True)
    cluster.wait_node(node, "Unknown")
    cluster.wait_pod("stuck", "is deleted", lambda found: "deletionTimestamp" in found["metadata"])
    done = cluster.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
    assert done.returncode == 0, done.stderr
    wait_for("it is gone", lambda: cluster.pod("stuck") is None)
    assert cluster.kubectl("taint", "node", node, "node.kubernetes.io/out-of-service-").returncode == 0
    cluster.heal(node)
    cluster.wait_node(node)


def test_a_users_taint_evicts_when_its_toleration_runs_out(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    run_on(cluster, node, "at-once", image)
    run_on(cluster, node, "for-a-second", image, tolerations=[
        {"key": "maintenance", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
    ])  # fmt: skip
    assert cluster.kubectl("taint", "node", node, "maintenance=:NoExecute").returncode == 0
    wait_for("the one is gone", lambda: cluster.pod("at-once") is None)
    wait_for("the other is gone", lambda: cluster.pod("for-a-second") is None)
    assert cluster.kubectl("taint", "node", node, "maintenance-").returncode == 0


def test_a_web_process_that_falls_silent_costs_no_pod_its_life(cluster: Lab, image: str) -> None:
    """All nodes are lost with it: everything is doubted, nothing is given up."""
    run_on(cluster, cluster.nodes[1], "survivor", image)
    web = cluster.pid_of("web")
    os.kill(web, signal.SIGSTOP)
    try:
        wait_for("all nodes are doubted", lambda: set(stored(cluster)) == {"Unknown"})
        time.sleep(TOLERATED_SECONDS + 1)  # nothing must happen, and nothing tells of that
    finally:
        os.kill(web, signal.SIGCONT)
    for node in cluster.nodes:
        cluster.wait_node(node)
    kept = container_status(cluster.wait_running("survivor"), "main")
    assert kept["restartCount"] == 0
    assert "deletionTimestamp" not in (cluster.pod("survivor") or {})["metadata"]
    events = cluster.api.get("/api/v1/namespaces/default/events").json()["items"]
    assert "EvictionHeldBack" in {event["reason"] for event in events}
    cluster.delete_pod("survivor")


def stored(cluster: Lab) -> list[str | None]:
    """The Ready condition of each node as the store has it, without asking the web process."""
    with sqlite3.connect(f"file:{cluster.home}/db.sqlite3?mode=ro", uri=True) as database:
        rows = database.execute("SELECT status FROM store_node").fetchall()
    return [condition({"status": json.loads(status)}, "Ready") for (status,) in rows]


def test_a_stateful_ordinal_is_never_there_twice(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    labels = {"app": "db"}
    script = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
    wanted = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "serviceName": "db",
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "nodeSelector": {"lost": "first"},
                    "containers": [container("main", image, script)],
                },
            },
        },
    }
    label(cluster, node, "first")
    answer = cluster.api.post("/apis/apps/v1/namespaces/default/statefulsets", json=wanted)
    assert answer.status_code == 201, answer.text
    before = cluster.wait_running("db-0")
    assert before["spec"]["nodeName"] == node
    label(cluster, cluster.nodes[2], "first")  # it could run there
    cluster.partition(node)
    cluster.wait_node(node, "Unknown")
    cluster.wait_pod("db-0", "is deleted", lambda found: "deletionTimestamp" in found["metadata"])
    for _ in range(3):  # whatever the controller does now, it makes no second one
        assert (
            cluster.kubectl("annotate", "statefulset", "db", f"look={time.monotonic()}", "--overwrite").returncode == 0
        )
        assert (cluster.pod("db-0") or {})["metadata"]["uid"] == before["metadata"]["uid"]
    assert processes(cluster, node, "db-0")
    cluster.heal(node)
    uid = before["metadata"]["uid"]
    after = cluster.wait_pod(
        "db-0", "is another", lambda found: found["metadata"]["uid"] != uid and condition(found, "Ready") == "True"
    )
    assert not processes(cluster, node, uid)
    assert after["metadata"]["name"] == "db-0"
    assert cluster.api.delete("/apis/apps/v1/namespaces/default/statefulsets/db").status_code == 200
    wait_for("it is gone", lambda: cluster.pod("db-0") is None)


def label(cluster: Lab, node: str, value: str) -> None:
    assert cluster.kubectl("label", "node", node, f"lost={value}", "--overwrite").returncode == 0
