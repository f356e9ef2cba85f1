"""Data that is bound to its node, and a pod on each node, on a cluster of several."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests import images
from tests.cluster.instance import Wire, condition, wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.test_statefulset import ROOT, stateful_set

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Lab]:
    with lab(nodes=2) as made:
        yield made


@pytest.fixture(scope="module")
def image(cluster: Lab) -> Iterator[str]:
    with cluster.registry() as registry:
        yield images.busybox().push(registry, "busybox:latest")


def status(cluster: Lab, path: str) -> Wire:
    return dict(cluster.api.get(f"{ROOT}/{path}").raise_for_status().json().get("status") or {})


def set_cordon(cluster: Lab, node: str, *, unschedulable: bool) -> None:
    cluster.api.patch(
        f"/api/v1/nodes/{node}",
        json={"spec": {"unschedulable": unschedulable}},
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()


def test_a_pod_follows_its_data_and_waits_for_its_node(cluster: Lab, image: str) -> None:
    cluster.api.post(f"{ROOT}/statefulsets", json=stateful_set(image, replicas=2)).raise_for_status()
    wait_for("both are ready", lambda: status(cluster, "statefulsets/db").get("readyReplicas") == 2)
    where = {name: (cluster.pod(name) or {})["spec"]["nodeName"] for name in ("db-0", "db-1")}
    assert len(set(where.values())) == 2  # spread
    home = where["db-1"]
    set_cordon(cluster, home, unschedulable=True)
    cluster.api.delete("/api/v1/namespaces/default/pods/db-1")
    cluster.wait_pod(
        "db-1",
        "says where its data is",
        lambda one: (
            f"its volume is on node {where['db-0']}" not in str(one)
            and "node(s) were unschedulable" in str(one["status"])
            and f"its volume is on node {home}" in str(one["status"])
        ),
    )
    set_cordon(cluster, home, unschedulable=False)
    back = cluster.wait_running("db-1")
    assert back["spec"]["nodeName"] == home
    wait_for("it goes on with its data", lambda: cluster.logs("db-1").split() == ["db-1", "db-1"])


def test_an_ordinal_on_a_silent_node_is_never_started_twice(cluster: Lab, image: str) -> None:
    home = cluster.nodes[1]
    name = next(one for one in ("db-0", "db-1") if (cluster.pod(one) or {})["spec"]["nodeName"] == home)
    before = (cluster.pod(name) or {})["metadata"]["uid"]
    cluster.partition(home)
    cluster.wait_node(home, "Unknown")
    cluster.api.delete(f"/api/v1/namespaces/default/pods/{name}")
    wait_for("the set says why it waits", lambda: "does not answer" in str(status(cluster, "statefulsets/db")))
    held = cluster.pod(name)
    assert held is not None
    assert held["metadata"]["uid"] == before
    cluster.heal(home)
    cluster.wait_node(home)
    cluster.wait_pod(
        name,
        "is another one and ready",
        lambda one: one["metadata"]["uid"] != before and condition(one, "Ready") == "True",
    )
    wait_for("it goes on with its data", lambda: cluster.logs(name).split()[-1:] == [name])


def test_a_daemon_set_comes_to_a_node_that_joins(cluster: Lab, image: str) -> None:
    container = {"name": "c", "image": image, "command": ["sleep", "3600"]}
    template = {
        "metadata": {"labels": {"app": "log"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    spec = {"selector": {"matchLabels": {"app": "log"}}, "template": template}
    wire = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "log"}, "spec": spec}
    cluster.api.post(f"{ROOT}/daemonsets", json=wire).raise_for_status()
    wait_for("one on each node", lambda: status(cluster, "daemonsets/log").get("numberAvailable") == 2)
    cluster.add("node-9")
    wait_for("one on the new node", lambda: status(cluster, "daemonsets/log").get("numberAvailable") == 3)
    pods = cluster.api.get("/api/v1/namespaces/default/pods", params={"labelSelector": "app=log"}).json()["items"]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == sorted([*cluster.nodes[:2], "node-9"])
