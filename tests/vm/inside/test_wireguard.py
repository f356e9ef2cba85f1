"""Three nodes that encrypt, in network namespaces on one segment, by the agent's own code and the kernel's WireGuard."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import load
from tests.vm.inside.node import fork
from tests.vm.inside.waiting import wait_for

CLUSTER = ["10.177.0.0/16", "fd77::/32"]
PORT = 51820
SLOW_SECONDS = 1200.0
"""After which something hangs. Everything is slow in an emulated machine, and slower yet beside other work."""
BEGIN = time.time() + 10
PERIOD_SECONDS = BEGIN / (2 * round(BEGIN / 14_400))
"""About two hours. Nodes are told the time; `BEGIN`, close to the kernel's own, by which handshakes are dated, begins a period of
slot a."""
MARKER = b"slipway-in-the-clear "
SEGMENT = "under0"
_UDP, _ICMP6, _TCP = 17, 58, 6


class Node:
    """A process of node.py in a namespace of its own."""

    def __init__(self, number: int, *, encryption: str = "wireguard") -> None:
        self.name, self.number = f"n{number}", number
        self.address = f"192.0.2.{number}"
        self.cidrs = [f"10.177.{number}.0/24", f"fd77:{number}::/64"]
        self._make_namespace()
        words = {
            "cidrs": self.cidrs,
            "cluster": CLUSTER,
            "settings": {
                "node_name": self.name,
                "encryption": encryption,
                "wireguard_rotation_seconds": PERIOD_SECONDS,
            },
        }
        self.pid, orders, answers = fork(self.name, words)
        self._orders, self._answers = os.fdopen(orders, "w"), os.fdopen(answers)
        self._lock = threading.Lock()

    def _make_namespace(self) -> None:
        inside, outside = f"in{self.number}", f"out{self.number}"
        script = f"""
            ip netns add {self.name}
            ip link add {outside} type veth peer name {inside} netns {self.name}
            ip link set {outside} master {SEGMENT} up
            ip -n {self.name} link set lo up
            ip -n {self.name} addr add {self.address}/24 dev {inside}
            ip -n {self.name} link set {inside} up
            ip -n {self.name} route add default via 192.0.2.254
        """
        subprocess.run(["sh", "-ec", script], check=True)

    def inside(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def shown(self, *argv: str) -> str:
        return subprocess.check_output(self.inside(*argv), text=True)

    def ask(self, *words: Any) -> Any:
        with self._lock:
            self._orders.write(json.dumps(words) + "\n")
            self._orders.flush()
            if not select.select([self._answers], [], [], SLOW_SECONDS)[0]:
                os.kill(self.pid, signal.SIGUSR1)  # it says where its threads are
                raise RuntimeError(f"{self.name} does not answer {words[0]}")
            answer = json.loads(self._answers.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["answer"]

    def wire(self) -> Any:
        keys = self.ask("report")["keys"]
        return {
            "kind": "Node",
            "metadata": {"name": self.name},
            "spec": {"podCIDR": self.cidrs[0], "podCIDRs": self.cidrs},
            "status": {
                "addresses": [{"type": "InternalIP", "address": self.address}],
                **({"wireguard": keys} if keys else {}),
            },
        }

    def close(self) -> None:
        self._orders.close()
        self._answers.close()
        os.waitpid(self.pid, 0)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


class ControlPlane(threading.Thread):
    """Says to every node what all of them say, when that changes."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.stop = nodes, threading.Event()
        self.said: list[Any] = []
        self.lock = threading.Lock()

    def step(self) -> None:
        with self.lock:
            cluster = {
                "kind": "Cluster",
                "metadata": {"name": "cluster"},
                "spec": {"vni": 7, "podNetwork": ",".join(CLUSTER)},
            }
            view = [cluster, *(node.wire() for node in self.nodes)]
            if view != self.said:
                for node in self.nodes:
                    node.ask("view_is", view)
                self.said = view

    def run(self) -> None:
        while not self.stop.wait(1):
            self.step()


class Cluster:
    def __init__(self) -> None:
        self.nodes = [Node(number) for number in (1, 2, 3)]
        self.plain = Node(4, encryption="off")
        for node in self.nodes:
            node.ask("start")
        self.at(BEGIN - 10)
        self.control_plane = ControlPlane(list(self.nodes))
        self.control_plane.step()
        self.pods = [node.ask("pod") for node in self.nodes]
        self.control_plane.start()

    def at(self, now: float) -> None:
        for node in self.nodes:
            node.ask("clock_is", now)

    def carrying(self) -> set[str]:
        """Letters of the slots by which nodes send to each other's pods."""
        found: set[str] = set()
        for node in self.nodes:
            node.ask("look")
            for family in ("-4", "-6"):
                ways = json.loads(node.shown("ip", family, "-j", "route", "show", "proto", "83"))
                assert len(ways) == len(self.nodes) - 1
                found |= {way["dev"][-1] for way in ways}
        return found

    def keys(self) -> dict[str, list[str]]:
        """By node and slot, as everybody has been told."""
        nodes = [wire for wire in self.control_plane.said if wire["kind"] == "Node"]
        return {wire["metadata"]["name"]: [key["publicKey"] for key in wire["status"]["wireguard"]] for wire in nodes}

    def keys_are_held(self, slot: int) -> bool:
        """By every kernel: its own node's and those of the others."""
        keys = {name: own[slot] for name, own in self.keys().items()}
        for node in self.nodes:
            own, peers = node.ask("held")[slot]
            if (own, peers) != (keys[node.name], sorted(key for name, key in keys.items() if name != node.name)):
                return False
        return True

    def close(self) -> None:
        self.control_plane.stop.set()
        self.control_plane.join()
        for node in (*self.nodes, self.plain):
            node.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    subprocess.run(["sh", "-ec", f"ip link add {SEGMENT} type bridge; ip link set {SEGMENT} up"], check=True)
    made = Cluster()
    yield made
    made.close()
    subprocess.run(["ip", "link", "del", SEGMENT], check=True)


def inside_pod(pod: Any, *argv: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["nsenter", f"--net={pod['namespace']}", *argv],
        text=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        **options,
    )


SEND = """
import socket, sys
with socket.create_connection((sys.argv[1], 7000), 600) as own:
    own.sendall(sys.argv[2].encode() * 20000)
    own.shutdown(socket.SHUT_WR)
    print(own.recv(100).decode(), flush=True)
"""
RECEIVE = """
import socket
server = socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    own, _ = server.accept()
    total = 0
    while data := own.recv(65536):
        total += len(data)
    own.sendall(str(total).encode()); own.close()
"""


def test_pods_talk_and_the_segment_sees_only_wireguard(cluster: Cluster) -> None:
    receiver = inside_pod(cluster.pods[1], sys.executable, "-Sc", RECEIVE)
    assert receiver.stdout is not None
    assert receiver.stdout.readline() == "ready\n"
    try:
        with captured_at(cluster.nodes[0]) as frames:
            for address in cluster.pods[1]["addresses"]:
                sender = inside_pod(cluster.pods[0], sys.executable, "-Sc", SEND, address, MARKER.decode())
                assert sender.communicate(timeout=SLOW_SECONDS)[0].strip() == str(20000 * len(MARKER)), address
    finally:
        receiver.kill()
        receiver.communicate()
    assert sum(map(len, frames)) > 2 * 20000 * len(MARKER), "the capture has seen it pass"
    assert not [frame for frame in frames if MARKER in frame]
    assert set(map(nature, frames)) <= {"wireguard", "arp", "neighbour"}
    assert max(map(len, frames)) <= 1514


@contextlib.contextmanager
def captured_at(node: Node) -> Iterator[list[bytes]]:
    """What passes the cable of the node, both ways."""
    frames: list[bytes] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as own:
        own.bind((f"out{node.number}", 0))
        own.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        own.settimeout(0.5)
        yield frames
        with contextlib.suppress(TimeoutError):
            while True:
                frames.append(own.recv(65536))


def nature(frame: bytes) -> str:
    kind = int.from_bytes(frame[12:14])
    if kind == 0x0806:
        return "arp"
    if kind == 0x86DD:
        return "neighbour" if frame[20] in (_ICMP6, 0) else f"IPv6, protocol {frame[20]}"
    if kind == 0x0800 and frame[23] == _UDP:
        ports = {int.from_bytes(frame[34:36]), int.from_bytes(frame[36:38])}
        return "wireguard" if ports <= {PORT, PORT + 1} else f"UDP {ports}"
    return f"type {kind:x}, protocol {frame[23]}"


def test_no_vxlan_and_no_plain_route(cluster: Cluster) -> None:
    for node in cluster.nodes:
        assert "slvx" not in node.shown("ip", "-br", "link")
        ways = json.loads(node.shown("ip", "-j", "route", "show", "proto", "83"))
        assert len(ways) == 2
        assert all(way["dev"].startswith("slwg") for way in ways)


def test_the_mtu_leaves_room(cluster: Cluster) -> None:
    node = cluster.nodes[0]
    sizes = {link["ifname"][:4]: link["mtu"] for link in json.loads(node.shown("ip", "-j", "link"))}
    assert (sizes["slwg"], sizes["slip"]) == (1440, 1440)


SHOUT = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
    for _ in range(5):
        own.sendto(sys.argv[2].encode(), (sys.argv[1], 9))
"""
PING = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tests.cluster import load
load.PAUSE_SECONDS, load.PATIENCE_SECONDS = 0.2, 600  # it is about loss: in an emulated machine an answer may be late
running = load.Load()
thread = running.repeat("ping", load.ping(sys.argv[2]))
for line in sys.stdin:
    print(json.dumps([running.counts.get("ping", 0), running.failures]), flush=True)
running.stop.set()
thread.join()
"""


class Pings:
    """From every node's pod to the next one's, all the time, and none twice."""

    def __init__(self, cluster: Cluster) -> None:
        root = str(Path(load.__file__).parents[2])
        targets = [pod["addresses"][0] for pod in (*cluster.pods[1:], cluster.pods[0])]
        self._running = [
            inside_pod(pod, sys.executable, "-Sc", PING, root, target)
            for pod, target in zip(cluster.pods, targets, strict=True)
        ]

    def counts(self) -> list[int]:
        """How many were answered so far. None was not."""
        found = []
        for each in self._running:
            assert each.stdin is not None
            assert each.stdout is not None
            each.stdin.write("\n")
            each.stdin.flush()
            count, failures = json.loads(each.stdout.readline())
            assert failures == []
            found.append(count)
        return found

    def go_on(self) -> None:
        before = self.counts()
        further = "ten more of every pod"
        wait_for(
            further, lambda: all(n > b + 10 for n, b in zip(self.counts(), before, strict=True)), seconds=SLOW_SECONDS
        )

    def end(self) -> None:
        for each in self._running:
            each.communicate(timeout=SLOW_SECONDS)


@pytest.fixture
def pings(cluster: Cluster) -> Iterator[Pings]:
    made = Pings(cluster)
    yield made
    made.end()


def test_keys_are_exchanged_without_a_lost_packet(cluster: Cluster, pings: Pings) -> None:
    """Every key of every node once, and both new ones carry packets."""
    first = cluster.keys()

    def carried_by(slot: str) -> None:
        wait_for(f"packets go by {slot}", lambda: cluster.carrying() == {slot}, seconds=SLOW_SECONDS)
        pings.go_on()

    def exchanged(slot: int) -> None:
        def done() -> bool:
            for node in cluster.nodes:
                node.ask("look")
            keys = cluster.keys()
            return all(keys[name][slot] != first[name][slot] for name in keys) and cluster.keys_are_held(slot)

        wait_for(f"the keys of slot {slot} are others", done, seconds=SLOW_SECONDS)
        pings.go_on()

    carried_by("b")
    cluster.at(BEGIN + 1)  # b goes on until a has had a handshake
    carried_by("a")
    assert cluster.keys() == first
    cluster.at(BEGIN + 0.9 * PERIOD_SECONDS)
    exchanged(1)
    assert {name: own[0] for name, own in cluster.keys().items()} == {name: own[0] for name, own in first.items()}
    cluster.at(BEGIN + PERIOD_SECONDS + 1)  # neither has had one for long: the first packet makes it
    carried_by("b")
    cluster.at(BEGIN + 1.9 * PERIOD_SECONDS)
    exchanged(0)
    cluster.at(BEGIN + 2 * PERIOD_SECONDS + 1)
    carried_by("a")


def test_private_keys_stay_where_they_are(cluster: Cluster) -> None:
    for path in Path("/tmp").glob("slipway-test-*/home/network/wireguard.json"):
        assert path.stat().st_mode & 0o777 == 0o600
        secrets = [key["secret"] for key in json.loads(path.read_text())["slots"]]
        assert not [secret for secret in secrets if secret in json.dumps(cluster.control_plane.said)]


def test_a_node_that_does_not_encrypt_is_named_and_nothing_goes_to_it_in_the_clear(cluster: Cluster) -> None:
    plain = cluster.plain
    try:
        plain.ask("start")
        cluster.control_plane.nodes.append(plain)
        wait_for("it is named", lambda: "n4" in cluster.nodes[0].ask("report")["problem"], seconds=SLOW_SECONDS)
        wait_for("it refuses", lambda: "encrypt what their pods send" in plain.ask("problem"), seconds=SLOW_SECONDS)
        assert "proto 83" not in plain.shown("ip", "route")
        address = str(ip_network(plain.cidrs[0])[9])
        with captured_at(cluster.nodes[0]) as frames:
            inside_pod(cluster.pods[0], sys.executable, "-Sc", SHOUT, address, MARKER.decode()).communicate(
                timeout=SLOW_SECONDS
            )
        assert not [frame for frame in frames if MARKER in frame], "the default route would have led it out"
    finally:
        cluster.control_plane.nodes = [node for node in cluster.control_plane.nodes if node is not plain]
        cluster.control_plane.step()
        plain.ask("remove")


def test_a_node_that_goes_is_nobodys_peer_and_leaves_nothing(cluster: Cluster) -> None:
    gone = cluster.nodes[2]
    keys = {key["publicKey"] for key in gone.wire()["status"]["wireguard"]}
    cluster.control_plane.nodes = cluster.nodes[:2]
    wait_for("its routes go", lambda: gone.cidrs[0] not in cluster.nodes[0].shown("ip", "route"), seconds=SLOW_SECONDS)
    assert len(json.loads(cluster.nodes[0].shown("ip", "-j", "route", "show", "proto", "83"))) == 1
    for node in cluster.nodes[:2]:
        node.ask("look")
        assert keys.isdisjoint(peer for _, peers in node.ask("held") for peer in peers)
    gone.ask("remove")
    links = {link["ifname"] for link in json.loads(gone.shown("ip", "-j", "link"))}
    assert links == {"lo", f"in{gone.number}"}
    assert gone.shown("nft", "list", "tables") == ""
    assert "proto 83" not in gone.shown("ip", "route") + gone.shown("ip", "-6", "route")
