"""A cluster on one machine: nodes that join, run pods, fail and come back."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import httpx
import pytest

from controlplane.instance.lab.state import Link
from tests.cluster.instance import condition, container_status, wait_for
from tests.cluster.lab import Lab
from tests.cluster.lab_hosts import listening, reaches, run_on, wait_reaches

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def image(cluster_busybox: str) -> str:
    return cluster_busybox


def test_each_node_is_a_host_of_its_own(cluster: Lab) -> None:
    assert [node for node in cluster.nodes if cluster.node_status(node) == "True"] == cluster.nodes
    nodes = {item["metadata"]["name"]: item for item in cluster.api.get("/api/v1/nodes").json()["items"]}
    assert set(nodes) == set(cluster.nodes)
    assert len({item["spec"]["podCIDR"] for item in nodes.values()}) == 3
    for node in cluster.nodes[1:]:
        addresses = {each["type"]: each["address"] for each in nodes[node]["status"]["addresses"]}
        assert addresses["InternalIP"] == cluster.address(node)
        namespace = Path(f"/proc/{cluster.agent_pid(node)}/ns/net").stat()
        assert namespace.st_ino == cluster.places(node).namespace.stat().st_ino
        assert (cluster.places(node).home / "credential").stat().st_mode & 0o777 == 0o600
    assert len({cluster.places(node).cgroup_parent for node in cluster.nodes[1:]}) == 2


def test_nodes_reach_each_other_and_the_host(cluster: Lab) -> None:
    one, two = cluster.nodes[1:]
    for target in (cluster.gateway, cluster.nodes[0]):
        address = cluster.address(target) if target == cluster.nodes[0] else target
        wait_reaches(cluster, one, address, cluster.api_port)
    with listening(cluster, two, 8099):
        wait_reaches(cluster, one, cluster.address(two), 8099)
        wait_reaches(cluster, cluster.node, cluster.address(two), 8099)


def spoken(cluster: Lab, name: str, words: str) -> bool:
    """A container runs a little before its first word."""
    return cluster.logs(name) == words


def test_pods_run_on_every_node_and_logs_come_from_each(cluster: Lab, image: str) -> None:
    for number, node in enumerate(cluster.nodes):
        run_on(cluster, node, f"echo-{number}", image, f"echo on {node}; sleep 3600")
    for number, node in enumerate(cluster.nodes):
        wait_for(f"the word of {node}", partial(spoken, cluster, f"echo-{number}", f"on {node}\n"))
        cluster.delete_pod(f"echo-{number}")


def test_a_killed_agent_stays_down_until_healed_and_its_containers_go_on(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    run_on(cluster, node, "lasting", image)
    before = container_status(cluster.wait_running("lasting"), "main")
    pid = cluster.agent_pid(node)
    cluster.kill(node)
    cluster.wait_node(node, "Unknown")
    assert cluster.agent_pid(node) is None
    assert not Path(f"/proc/{pid}").exists()
    cluster.heal(node)
    cluster.wait_node(node)
    after = container_status(cluster.wait_running("lasting"), "main")
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    cluster.delete_pod("lasting")


def test_a_killed_host_loses_its_containers_and_starts_them_again(cluster: Lab, image: str) -> None:
    node = cluster.nodes[1]
    run_on(cluster, node, "mortal", image)
    cluster.kill(node, host=True)
    assert cluster_processes(cluster, node) == set()
    cluster.heal(node)
    cluster.wait_pod(
        "mortal",
        "is started again",
        lambda found: container_status(found, "main").get("restartCount") == 1 and condition(found, "Ready") == "True",
    )
    cluster.delete_pod("mortal")


def cluster_processes(cluster: Lab, node: str) -> set[str]:
    parent = cluster.places(node).cgroup_parent
    return {
        pid
        for procs in Path("/sys/fs/cgroup").glob(f"**/{parent}/**/cgroup.procs")
        for pid in procs.read_text().split()
    }


def test_a_restarted_agent_is_back_at_once(cluster: Lab) -> None:
    node = cluster.nodes[2]
    pid = cluster.agent_pid(node)
    cluster.restart_agent(node)
    wait_for("another agent runs", lambda: cluster.agent_pid(node) not in (None, pid))
    cluster.wait_node(node)


def test_a_partition_cuts_a_node_from_everybody_until_healed(cluster: Lab) -> None:
    node, other = cluster.nodes[1:]
    wait_reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.partition(node)
    assert not reaches(cluster, node, cluster.gateway, cluster.api_port)
    wait_reaches(cluster, other, cluster.gateway, cluster.api_port)
    cluster.heal(node)
    wait_reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.wait_node(node)


def test_a_partition_may_be_between_two_nodes_only(cluster: Lab) -> None:
    one, two = cluster.nodes[1:]
    with listening(cluster, two, 8098):
        wait_reaches(cluster, one, cluster.address(two), 8098)
        cluster.partition(one, others=[two])
        assert not reaches(cluster, one, cluster.address(two), 8098)
        wait_reaches(cluster, cluster.node, cluster.address(two), 8098)
        wait_reaches(cluster, one, cluster.gateway, cluster.api_port)
        cluster.heal(two)  # either side's heal mends it
        wait_reaches(cluster, one, cluster.address(two), 8098)


def test_an_added_node_joins_a_running_cluster_and_a_removed_one_is_gone(cluster: Lab, image: str) -> None:
    cluster.add("late")
    run_on(cluster, "late", "passing", image)
    places, pid = cluster.places("late"), cluster.agent_pid("late")
    cluster.remove("late")
    assert cluster.api.get("/api/v1/nodes/late").status_code == httpx.codes.NOT_FOUND
    assert not Path(f"/proc/{pid}").exists()
    assert not places.home.exists()
    assert not places.namespace.exists()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{places.cgroup_parent}"))
    wait_for("its pod is collected", lambda: cluster.pod("passing") is None)


def test_bandwidth_and_loss_are_in_force(cluster: Lab) -> None:
    node = cluster.nodes[2]
    cluster.connect(node, bandwidth="10mbit", loss="100%")
    assert "10Mbit" in cluster.exec_on(node, ["tc", "qdisc", "show", "dev", "eth0"]).stdout
    assert not reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.connect(node)
    assert "tbf" not in cluster.exec_on(node, ["tc", "qdisc", "show", "dev", "eth0"]).stdout
    wait_reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.wait_node(node)


def test_latency_is_had_or_refused_in_words(cluster: Lab) -> None:
    node = cluster.nodes[2]
    done = cluster.manage("lab", "link", node, "--latency", "30ms", check=False)
    if done.returncode == 0:
        assert "30ms" in cluster.exec_on(node, ["tc", "qdisc", "show", "dev", "eth0"]).stdout
    else:
        assert "CONFIG_NET_SCH_NETEM" in done.stderr
        assert cluster.state.find(node).link == Link()
    cluster.connect(node)
    assert "netem" not in cluster.exec_on(node, ["tc", "qdisc", "show", "dev", "eth0"]).stdout


def test_a_second_up_adopts_the_lab(cluster: Lab, image: str) -> None:
    run_on(cluster, cluster.nodes[1], "adopted", image)
    before = container_status(cluster.wait_running("adopted"), "main")["containerID"]
    namespaces = {node: cluster.places(node).namespace.stat().st_ino for node in cluster.nodes[1:]}
    cluster.stop()
    assert {node: cluster.places(node).namespace.stat().st_ino for node in cluster.nodes[1:]} == namespaces
    cluster.up()
    assert {node: cluster.places(node).namespace.stat().st_ino for node in cluster.nodes[1:]} == namespaces
    after = container_status(cluster.wait_running("adopted"), "main")
    assert (after["containerID"], after["restartCount"]) == (before, 0)
    cluster.delete_pod("adopted")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["kill", "nobody"], "no node 'nobody'"),
        (["add", "node-2"], "already"),
        (["partition", "node-2", "--from", "node-2"], "from itself"),
        (["link", "node-2", "--loss", "150%"], "--loss"),
    ],
)
def test_what_cannot_be_is_refused_in_words(cluster: Lab, words: list[str], complaint: str) -> None:
    before = cluster.state
    done = cluster.manage("lab", *words, check=False)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert cluster.state == before
