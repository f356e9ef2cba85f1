"""Three nodes that encrypt, in network namespaces on one segment, by the agent's own code and the kernel's WireGuard."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from tests.vm.inside.cluster import BEGIN, PERIOD_SECONDS, SEGMENT, SLOW_SECONDS, Cluster, Node, inside_pod
from tests.vm.inside.pings import Pings
from tests.vm.inside.waiting import wait_for

PORT = 51820
MARKER = b"slipway-in-the-clear "
_UDP, _ICMP6 = 17, 58


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    subprocess.run(["sh", "-ec", f"ip link add {SEGMENT} type bridge; ip link set {SEGMENT} up"], check=True)
    made = Cluster()
    yield made
    made.close()
    subprocess.run(["ip", "link", "del", SEGMENT], check=True)


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
