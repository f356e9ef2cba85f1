"""A cluster on one machine: nodes that join, run pods, fail and come back, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from controlplane.instance.lab import plan, state
from controlplane.instance.lab.state import Link, Places
from schema.instance import instance_id
from tests.cluster.instance import ROOT, children_of, condition, container_status, prepare, wait_for
from tests.cluster.lab import Lab, lab
from tests.cluster.pods import container, pod

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def image(cluster_busybox: str) -> str:
    return cluster_busybox


def run_on(cluster: Lab, node: str, name: str, image: str, script: str = "sleep 3600") -> None:
    cluster.create(pod(name, container("main", image, script), nodeName=node))
    cluster.wait_running(name)


def reaches(cluster: Lab, node: str, address: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    probe = f"import socket; socket.create_connection(({address!r}, {port}), 0.5)"
    return cluster.exec_on(node, ["python3", "-c", probe], check=False).returncode == 0


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
        assert reaches(cluster, one, address, cluster.api_port)
    with listening(cluster, two, 8099):
        assert reaches(cluster, one, cluster.address(two), 8099)
        assert reaches(cluster, cluster.node, cluster.address(two), 8099)


def test_pods_run_on_every_node_and_logs_come_from_each(cluster: Lab, image: str) -> None:
    for number, node in enumerate(cluster.nodes):
        run_on(cluster, node, f"echo-{number}", image, f"echo on {node}; sleep 3600")
    for number, node in enumerate(cluster.nodes):
        assert cluster.logs(f"echo-{number}") == f"on {node}\n"
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
    assert reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.partition(node)
    assert not reaches(cluster, node, cluster.gateway, cluster.api_port)
    assert reaches(cluster, other, cluster.gateway, cluster.api_port)
    cluster.heal(node)
    assert reaches(cluster, node, cluster.gateway, cluster.api_port)
    cluster.wait_node(node)


def test_a_partition_may_be_between_two_nodes_only(cluster: Lab) -> None:
    one, two = cluster.nodes[1:]
    with listening(cluster, two, 8098):
        assert reaches(cluster, one, cluster.address(two), 8098)
        cluster.partition(one, others=[two])
        assert not reaches(cluster, one, cluster.address(two), 8098)
        assert reaches(cluster, cluster.node, cluster.address(two), 8098)
        assert reaches(cluster, one, cluster.gateway, cluster.api_port)
        cluster.heal(two)  # either side's heal mends it
        assert reaches(cluster, one, cluster.address(two), 8098)


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
    assert reaches(cluster, node, cluster.gateway, cluster.api_port)
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


@pytest.fixture(scope="module")
def five() -> Iterator[Lab]:
    with lab(nodes=5) as made:
        yield made


def test_five_nodes_are_ready(five: Lab) -> None:
    """In under ten seconds on a quiet machine; how long it took is printed, and the processor time with it."""
    took = wait_for("the greeting", lambda: greeting(five))
    assert five.process is not None
    print(f"five nodes after {took}; {work_seconds(five.process.pid):.1f} s of processor")
    for node in five.nodes:
        five.wait_node(node)


def work_seconds(pid: int) -> float:
    """Of processor, for the process and all that it has started, until now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = children_of(pid)
    except (FileNotFoundError, ProcessLookupError):  # its parent has it among those that have ended
        return 0.0
    own = sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")  # and of children that have ended
    return own + sum(work_seconds(child) for child in children)


def test_down_leaves_nothing(five: Lab) -> None:
    places = [five.places(node) for node in five.nodes[1:]]
    assert len(traces(five, places)) > len(places)
    assert not any(Path("/sys/class/net", f"slip{place.id}").exists() for place in places), "not in their namespaces"
    outcome = five.down()
    assert outcome.returncode == 0, outcome.stderr
    assert traces(five, places) == []
    refused = five.manage("lab", "partition", "node-2", check=False)
    assert refused.returncode == 1
    assert "not up" in refused.stderr
    assert traces(five, places) == []


def traces(cluster: Lab, places: list[Places]) -> list[str]:
    """Whatever on this host is the lab's."""
    identifier = instance_id(cluster.home)
    paths = [Path("/sys/class/net", plan.bridge_name(identifier)), state.pins(cluster.layout)]
    paths += [path for place in places for path in (place.namespace, place.run_dir)]
    paths += [path for place in places for path in Path("/sys/fs/cgroup").glob(f"**/{place.cgroup_parent}")]
    paths += [Path("/sys/class/net", plan.interface_name(identifier, node)) for node in cluster.nodes]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mounts").read_text()
    words = [identifier, *(place.id for place in places)]
    return [str(path) for path in paths if path.exists()] + [word for word in words if word in tables + mounts]


def greeting(cluster: Lab) -> str | None:
    words = (cluster.home.parent / "up.log").read_text().partition("5 nodes are Ready after ")[2].split()
    return words[0] if words else None


# --- nothing dials in -------------------------------------------------------------------------------------------


@pytest.fixture
def unreachable(cluster: Lab) -> Iterator[str]:
    """A node whose host takes no connection from outside, as behind NAT: only answers to what it began itself."""
    node = cluster.nodes[1]
    rules = """
    table inet nat_like {
      chain input {
        type filter hook input priority -100; policy drop;
        iifname "lo" accept
        iifname != "eth0" accept
        ct state established,related accept
      }
    }
    """
    cluster.exec_on(node, ["nft", "-f", "-"], stdin=rules)
    yield node
    cluster.exec_on(node, ["nft", "delete", "table", "inet", "nat_like"])


def test_control_logs_exec_and_port_forward_need_no_inbound_port(cluster: Lab, image: str, unreachable: str) -> None:
    with listening(cluster, unreachable, 8097):
        assert not reaches(cluster, cluster.node, cluster.address(unreachable), 8097)
    script = "mkdir /www; echo hello from inside > /www/index.html; echo started; exec httpd -f -p 8000 -h /www"
    run_on(cluster, unreachable, "hidden", image, script)
    assert cluster.logs("hidden") == "started\n"
    done = cluster.kubectl("exec", "hidden", "--", "cat", "/www/index.html")
    assert (done.returncode, done.stdout) == (0, "hello from inside\n")
    cluster.restart_agent(unreachable)  # a session that begins now, too
    cluster.wait_node(unreachable)
    wait_for("the agent is back", lambda: "hello from inside" in forwarded(cluster, "hidden", 8000))
    cluster.delete_pod("hidden")


@contextlib.contextmanager
def listening(cluster: Lab, node: str, port: int) -> Iterator[None]:
    """A server in the node's namespace, which itself reaches it."""
    server = subprocess.Popen(
        cluster.command_on(node, ["python3", "-m", "http.server", "--bind", cluster.address(node), str(port)]),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for("the server listens", lambda: reaches(cluster, node, cluster.address(node), port))
        yield
    finally:
        server.kill()
        server.wait()


def forwarded(cluster: Lab, name: str, port: int) -> str:
    """What an HTTP server in the pod answers, by the port-forward WebSocket (v4.channel.k8s.io: channel 0 is data)."""
    headers = {"Authorization": cluster.api.headers["Authorization"]}
    address = f"wss://127.0.0.1:{cluster.api_port}/api/v1/namespaces/default/pods/{name}/portforward?ports={port}"
    context = ssl.create_default_context(cafile=str(cluster.home / "pki" / "ca.crt"))
    answer = b""
    try:
        with connect(
            address,
            ssl=context,
            additional_headers=headers,
            subprotocols=[Subprotocol("v4.channel.k8s.io")],
            proxy=None,
        ) as socket:
            socket.send(b"\x00GET /index.html HTTP/1.0\r\n\r\n")
            for frame in socket:
                assert isinstance(frame, bytes)
                if frame[0] == 0 and len(frame) > 3:
                    answer += frame[1:]
    except (InvalidStatus, ConnectionClosed):
        return answer.decode(errors="replace")
    return answer.decode(errors="replace")


# --- the way out ------------------------------------------------------------------------------------------------


def test_nodes_reach_the_outside_as_this_machine(cluster: Lab) -> None:
    """The outside knows nothing of the lab's range: without translation it could not answer."""
    outside, near, far = f"outside{os.getpid()}", "198.51.100.1", "198.51.100.2"
    veth = f"out{os.getpid()}"
    for command in (
        f"ip netns add {outside}",
        f"ip link add {veth} type veth peer name eth0 netns {outside}",
        f"ip addr add {near}/30 dev {veth}",
        f"ip link set {veth} up",
        f"ip -n {outside} addr add {far}/30 dev eth0",
        f"ip -n {outside} link set eth0 up",
    ):
        subprocess.run(command.split(), check=True)
    try:
        script = (
            "import socket; s = socket.create_server(('198.51.100.2', 8096)); print('ready', flush=True)\n"
            "c, peer = s.accept(); print(peer[0], flush=True)"
        )
        server = subprocess.Popen(
            ["ip", "netns", "exec", outside, "python3", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None
        with server, server.stdout:
            assert server.stdout.readline() == "ready\n"
            wait_for("the outside is reached", lambda: reaches(cluster, cluster.nodes[1], far, 8096))
            assert server.stdout.readline() == f"{near}\n"
    finally:
        subprocess.run(["ip", "link", "del", veth], check=False)
        subprocess.run(["ip", "netns", "del", outside], check=False)


def test_a_range_of_the_host_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    veth = f"clash{os.getpid()}"
    subprocess.run(["ip", "link", "add", veth, "type", "veth", "peer", "name", f"{veth}b"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "198.51.100.129/25", "dev", veth], check=True)
        instance = prepare(tmp_path, SLIPWAY_LAB_NETWORK="198.51.100.128/26")
        done = subprocess.run(
            [*instance.up_command(), "--nodes", "3", "--prepare-only"],
            cwd=ROOT,
            env=dict(instance.environment),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 1
        assert "198.51.100.128/26 overlaps 198.51.100.128/25" in done.stderr
        assert veth in done.stderr
        assert "SLIPWAY_LAB_NETWORK" in done.stderr
        assert not Path("/sys/class/net", plan.bridge_name(instance_id(instance.home))).exists()
        assert not (instance.home / "nodes").exists()
    finally:
        subprocess.run(["ip", "link", "del", veth], check=True)
