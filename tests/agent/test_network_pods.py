from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from nodeagent import kernel
from nodeagent.errors import HostConflict
from nodeagent.network.addresses import QUARANTINE_SECONDS, Addresses
from nodeagent.network.errors import AddressesExhausted
from nodeagent.network.pod_state import veth_name
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import instance, needs_host, pod, until

pytestmark = needs_host

CLUSTER = "10.177.0.0/16"
POD_RANGE = "10.177.9.0/24"


@pytest.fixture(scope="module")
def node_namespace():
    """The test process plays node in a network namespace of its own: no two meet on a range or a port."""
    commands = """
        ip link set lo up; ip link add out0 type veth peer name out1; ip link set out1 up; ip addr add 192.0.2.77/24 dev out0
        ip link set out0 up mtu 1400; ip route add default via 192.0.2.1
    """
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    kernel.unshare(kernel.CLONE_NEWNET)
    try:
        subprocess.run(commands, shell=True, check=True)
        yield
    finally:
        kernel.setns(before, kernel.CLONE_NEWNET)
        os.close(before)


@pytest.fixture
async def network(node_namespace):
    with instance() as settings:
        network = BridgeNetwork(settings)
        await network.start(pod_cidrs=[POD_RANGE], cluster_cidrs=[CLUSTER])
        try:
            yield network
        finally:
            await network.remove_everything()


def run_in(sandbox, *argv: str) -> str:
    done = subprocess.run(
        ["nsenter", f"--net={sandbox.network}", f"--uts={sandbox.uts}", *argv], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def within(sandbox, function):
    """Call in a thread inside the pod's network namespace; a socket made there belongs there for good."""

    def body():
        with Path(sandbox.network).open() as namespace:
            kernel.setns(namespace.fileno(), kernel.CLONE_NEWNET)
        return function()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(body).result()


@contextlib.contextmanager
def server_in(sandbox, port: int):
    """Says the peer's address to whoever connects."""
    listener = within(sandbox, lambda: socket.create_server(("0.0.0.0", port)))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, (peer, _) = listener.accept()
                connection.sendall(peer.encode())
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def fetch(host: str, port: int) -> str:
    with socket.create_connection((host, port), timeout=3) as connection:
        return connection.recv(100).decode()


async def test_a_pod_gets_namespaces_an_address_and_loopback(network):
    sandbox = await network.create(pod(), hostname="web-0")
    assert sandbox.addresses == ["10.177.9.2"]
    addresses = json.loads(run_in(sandbox, "ip", "-j", "addr"))
    by_name = {link["ifname"]: link for link in addresses}
    assert "UP" in by_name["lo"]["flags"]
    assert [a["local"] for a in by_name["eth0"]["addr_info"]] == ["10.177.9.2"]  # and no IPv6 address
    assert by_name["eth0"]["mtu"] == 1350  # the way out takes 1400, of which VXLAN may need 50
    routes = json.loads(run_in(sandbox, "ip", "-j", "route"))
    assert any(r["dst"] == "default" and r["gateway"] == "10.177.9.1" for r in routes)
    assert run_in(sandbox, "hostname").strip() == "web-0"


async def test_pods_reach_each_other_and_the_node(network):
    one = await network.create(pod(), hostname="a")
    two = await network.create(pod(), hostname="b")
    run_in(one, "busybox", "ping", "-c1", "-W2", two.addresses[0])
    run_in(one, "busybox", "ping", "-c1", "-W2", "10.177.9.1")


async def test_the_hosts_end_has_no_address(network):
    """A browser on the host drops its connections whenever an address comes or goes."""
    sandbox = await network.create(pod(), hostname="web")
    shown = subprocess.check_output(["ip", "-j", "address", "show", "dev", veth_name(sandbox.pod_uid)])
    assert [link["addr_info"] for link in json.loads(shown)] == [[]]


async def test_creating_again_finds_what_is_there(network):
    the_pod = pod()
    first = await network.create(the_pod, hostname="a")
    inode = first.network.stat().st_ino
    again = await network.create(the_pod, hostname="a")
    assert again == first
    assert again.network.stat().st_ino == inode


async def test_deleting_leaves_nothing(network):
    the_pod = pod()
    sandbox = await network.create(the_pod, hostname="a")
    assert veth_name(sandbox.pod_uid) in _links()
    await network.delete(sandbox.pod_uid)
    await network.delete(sandbox.pod_uid)
    await until(lambda: veth_name(sandbox.pod_uid) not in _links())
    assert not sandbox.network.parent.parent.exists()
    assert sandbox.pod_uid not in Path("/proc/self/mountinfo").read_text()


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(subprocess.check_output(["ip", "-j", "link"]))}


async def test_a_published_port_answers_on_every_address(network):
    the_pod = pod({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 18080}]}]})
    sandbox = await network.create(the_pod, hostname="a")
    other = await network.create(pod(), hostname="b")
    with server_in(sandbox, 80):
        assert fetch("127.0.0.1", 18080) == "10.177.9.1"
        assert fetch("192.0.2.77", 18080)
        assert within(other, lambda: fetch("192.0.2.77", 18080))
        assert within(sandbox, lambda: fetch("192.0.2.77", 18080)), "a pod reaches itself (hairpin)"
        assert within(other, lambda: fetch(sandbox.addresses[0], 80)) == other.addresses[0], (
            "not translated between pods"
        )
    await network.delete(sandbox.pod_uid)
    assert "18080" not in subprocess.check_output(["nft", "list", "ruleset"], text=True)


async def test_a_port_published_on_one_address_stays_there(network):
    port = {"containerPort": 80, "hostPort": 18081, "hostIP": "127.0.0.1"}
    sandbox = await network.create(pod({"containers": [{"name": "c", "image": "i", "ports": [port]}]}), hostname="a")
    with server_in(sandbox, 80):
        assert fetch("127.0.0.1", 18081)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("192.0.2.77", 18081), timeout=2)


async def test_pods_do_not_reach_the_loopback_of_the_host(network):
    sandbox = await network.create(pod(), hostname="a")
    for setting in ("all", "eth0"):
        within(sandbox, lambda s=setting: Path(f"/proc/sys/net/ipv4/conf/{s}/route_localnet").write_text("1"))
    run_in(sandbox, "ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    run_in(sandbox, "ip", "addr", "add", "10.177.9.2/32", "dev", "lo")
    run_in(sandbox, "ip", "route", "add", "127.0.0.1/32", "via", "10.177.9.1", "src", "10.177.9.2")
    with socket.create_server(("127.0.0.1", 18082)):
        with pytest.raises(TimeoutError):
            within(sandbox, lambda: fetch("127.0.0.1", 18082))
        # Without the guard it would have got through: the test tests something.
        subprocess.run(["nft", "flush", "chain", "ip", network._table, "raw_prerouting"], check=True)
        subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0"], check=True)
        within(sandbox, lambda: socket.create_connection(("127.0.0.1", 18082), timeout=3).close())


async def test_a_taken_port_is_a_conflict_that_names_it(network):
    ports = {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 18083}]}]}
    with socket.create_server(("0.0.0.0", 18083)), pytest.raises(HostConflict, match="18083"):
        await network.create(pod(ports), hostname="a")
    first = await network.create(pod(ports), hostname="a")
    with pytest.raises(HostConflict, match=first.pod_uid):
        await network.create(pod(ports), hostname="b")
    await network.delete(first.pod_uid)
    await network.create(pod(ports), hostname="c")


async def test_a_restarted_agent_keeps_ports_and_addresses(network):
    the_pod = pod({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80, "hostPort": 18084}]}]})
    sandbox = await network.create(the_pod, hostname="a")
    await network.start(pod_cidrs=[POD_RANGE], cluster_cidrs=[CLUSTER])
    again = await network.create(the_pod, hostname="a")
    assert again.addresses == sandbox.addresses
    with server_in(sandbox, 80):
        assert fetch("127.0.0.1", 18084)
    assert (await network.create(pod(), hostname="b")).addresses != sandbox.addresses


async def test_a_route_of_the_host_in_the_range_is_a_conflict(network):
    subprocess.run(["ip", "route", "add", "10.178.5.0/25", "dev", "out0"], check=True)
    with pytest.raises(HostConflict, match=r"10\.178\.5\.0/25 on out0.*SLIPWAY_POD_NETWORK"):
        await network.start(pod_cidrs=["10.178.5.0/24"], cluster_cidrs=["10.178.0.0/16"])


async def test_host_network_pods_have_the_hosts_address(network):
    sandbox = await network.create(
        pod({"hostNetwork": True, "containers": [{"name": "c", "image": "i"}]}), hostname="n"
    )
    assert sandbox.network is None
    assert sandbox.uts is None
    assert sandbox.ipc is not None
    assert sandbox.addresses[0] == "192.0.2.77"


async def test_collect_removes_what_no_pod_owns(network):
    kept, lost = pod(), pod()
    await network.create(kept, hostname="a")
    gone = await network.create(lost, hostname="b")
    subprocess.run(["ip", "link", "add", "sv0123", "type", "veth"], check=True)
    subprocess.run(["ip", "link", "set", "sv0123", "master", network._bridge_name], check=True)
    await network.collect({kept.metadata.uid})
    await until(lambda: veth_name(gone.pod_uid) not in _links())
    assert veth_name(kept.metadata.uid) in _links()
    assert "sv0123" not in _links()


async def test_many_pods_come_and_go_without_a_trace(network):
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    pods = [pod() for _ in range(20)]
    sandboxes = await asyncio.gather(*(network.create(p, hostname="x") for p in pods))
    assert len({s.addresses[0] for s in sandboxes}) == 20
    await asyncio.gather(*(network.delete(s.pod_uid) for s in sandboxes))
    await until(lambda: not [name for name in _links() if name.startswith("sv")])
    assert str(network._pods) not in Path("/proc/self/mountinfo").read_text()
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors


def test_addresses_survive_and_the_longest_free_comes_first(tmp_path):
    network = IPv4Network("10.1.1.0/29")
    addresses = Addresses(tmp_path, network)
    given = [str(addresses.allocate(f"pod{n}")) for n in range(5)]
    assert given == [f"10.1.1.{n}" for n in range(2, 7)]
    with pytest.raises(AddressesExhausted, match=r"10\.1\.1\.0/29"):
        addresses.allocate("late")
    addresses.release("pod3")
    addresses.release("pod0")
    later = Addresses(tmp_path, network, now=lambda: time.time() + QUARANTINE_SECONDS)
    assert str(later.allocate("pod1")) == "10.1.1.3"
    assert str(later.allocate("new")) == "10.1.1.5"
    assert str(later.allocate("newer")) == "10.1.1.2"


@pytest.mark.parametrize("restarted", [False, True])
def test_an_address_is_not_given_again_at_once(tmp_path, restarted):
    clock = [time.time()]
    network = IPv4Network("10.1.1.0/30")
    addresses = Addresses(tmp_path, network, now=lambda: clock[0])
    assert str(addresses.allocate("one")) == "10.1.1.2"
    addresses.release("one")
    if restarted:
        addresses = Addresses(tmp_path, network, now=lambda: clock[0])
    clock[0] += QUARANTINE_SECONDS / 2
    with pytest.raises(AddressesExhausted, match="a moment ago"):
        addresses.allocate("two")
    clock[0] += QUARANTINE_SECONDS
    assert str(addresses.allocate("two")) == "10.1.1.2"


def test_a_clock_set_back_keeps_no_address_for_ever(tmp_path):
    addresses = Addresses(tmp_path, IPv4Network("10.1.1.0/30"))
    addresses.allocate("one")
    addresses.release("one")
    earlier = Addresses(tmp_path, IPv4Network("10.1.1.0/30"), now=lambda: time.time() - 3600)
    assert str(earlier.allocate("two")) == "10.1.1.2"


def test_the_families_share_a_directory_and_a_large_range_is_given_one_by_one(tmp_path):
    four, six = IPv4Network("10.1.1.0/24"), IPv6Network("fd00:1::/64")
    pools = [Addresses(tmp_path, network) for network in (four, six)]
    assert [str(pool.allocate("a")) for pool in pools] == ["10.1.1.2", "fd00:1::2"]
    assert [str(pool.allocate("b")) for pool in pools] == ["10.1.1.3", "fd00:1::3"]
    pools = [Addresses(tmp_path, network) for network in (four, six)]
    assert [str(pool.allocate("b")) for pool in pools] == ["10.1.1.3", "fd00:1::3"]
    assert [str(pool.allocate("c")) for pool in pools] == ["10.1.1.4", "fd00:1::4"]
    other = Addresses(tmp_path, IPv6Network("fd00:2::/64"))
    assert str(other.allocate("b")) == "fd00:2::2"
    assert str(Addresses(tmp_path, four).allocate("b")) == "10.1.1.3"
