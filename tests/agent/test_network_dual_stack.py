"""Pods with addresses of both families, or of IPv6 only."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from nodeagent.errors import HostConflict
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import instance, needs_host, pod
from tests.agent.test_network_pods import node_namespace, run_in, within

__all__ = ["node_namespace"]
pytestmark = needs_host

FOUR, SIX = ("10.177.9.0/24", "10.177.0.0/16"), ("fd77:9::/64", "fd77::/16")
HOST = "2001:db8:77::1"


@pytest.fixture(scope="module")
def host(node_namespace):
    """The node's way out has IPv6, too, and somebody answers there who knows no way back to pods."""
    commands = f"""
        ip netns add outside6 && ip link set out1 netns outside6 && ip addr add {HOST}/64 dev out0 nodad
        ip netns exec outside6 ip link set out1 up
        ip netns exec outside6 ip addr add 2001:db8:77::2/64 dev out1 nodad
        ip -6 route add default via 2001:db8:77::2
    """
    try:
        subprocess.run(["sh", "-ec", commands], check=True)
        yield
    finally:
        subprocess.run(["ip", "netns", "delete", "outside6"], check=True)


@contextlib.asynccontextmanager
async def running(*families: tuple[str, str]):
    with instance() as settings:
        network = BridgeNetwork(settings)
        await network.start(pod_cidrs=[own for own, _ in families], cluster_cidrs=[whole for _, whole in families])
        try:
            yield network
        finally:
            await network.remove_everything()


@contextlib.contextmanager
def answering(make_listener):
    """Says the peer's address to whoever connects."""
    with make_listener() as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, peer = listener.accept()
                    with connection:
                        connection.sendall(peer[0].encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def listener_in(sandbox, address: str, port: int):
    return lambda: within(
        sandbox,
        lambda: socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET),
    )


def fetch(address: str, port: int) -> str:
    with socket.create_connection((address, port), timeout=3) as connection:
        return connection.recv(100).decode()


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        ((FOUR, SIX), ["10.177.9.2", "fd77:9::2"]),
        ((SIX, FOUR), ["fd77:9::2", "10.177.9.2"]),
        ((SIX,), ["fd77:9::2"]),
    ],
)
async def test_a_pod_has_an_address_of_each_family_the_preferred_first(host, families, expected):
    async with running(*families) as network:
        sandbox = await network.create(pod(), hostname="web")
        assert list(sandbox.addresses) == expected
        links = json.loads(run_in(sandbox, "ip", "-j", "addr", "show", "eth0"))
        found = {each["local"] for each in links[0]["addr_info"] if each["scope"] == "global"}
        assert found == set(expected)
        hosts = next(mount.source for mount in sandbox.mounts if mount.target == "/etc/hosts").read_text()
        assert all(f"{address}\tweb\n" in hosts for address in expected)
        await network.start(pod_cidrs=[own for own, _ in families], cluster_cidrs=[whole for _, whole in families])
        assert list((await network.create(pod(uid=sandbox.pod_uid), hostname="web")).addresses) == expected


async def test_pods_reach_each_other_and_the_node_by_both(host):
    async with running(FOUR, SIX) as network:
        one, two = [await network.create(pod(), hostname=name) for name in ("a", "b")]
        for address in two.addresses:
            with answering(listener_in(two, address, 8080)):
                peer = within(one, lambda address=address: fetch(address, 8080))
            assert peer in one.addresses
        for address in ("fd77:9::1", HOST):
            assert run_in(one, "busybox", "ping", "-c1", "-W2", address)


async def test_only_what_leaves_for_the_outside_is_translated(host):
    outside = ["ip", "netns", "exec", "outside6"]
    script = (
        "import socket; s = socket.create_server(('2001:db8:77::2', 8090), family=socket.AF_INET6); print('up', flush=True)\n"
        "c, peer = s.accept(); c.sendall(peer[0].encode()); c.close()"
    )
    async with running(FOUR, SIX) as network:
        sandbox = await network.create(pod(), hostname="a")
        with subprocess.Popen([*outside, "python3", "-c", script], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            assert within(sandbox, lambda: fetch("2001:db8:77::2", 8090)) == HOST


async def test_a_published_port_answers_by_both(host):
    ports = [{"containerPort": 80, "hostPort": 18090}]
    async with running(FOUR, SIX) as network:
        sandbox = await network.create(pod({"containers": [{"name": "c", "image": "i", "ports": ports}]}), hostname="a")
        other = await network.create(pod(), hostname="b")
        for address, published in zip(sandbox.addresses, ("192.0.2.77", HOST), strict=True):
            with answering(listener_in(sandbox, address, 80)):
                assert fetch(published, 18090)
                assert within(other, lambda published=published: fetch(published, 18090)), "from another pod"
                assert within(sandbox, lambda published=published: fetch(published, 18090)), "hairpin"
        await network.start(pod_cidrs=[FOUR[0], SIX[0]], cluster_cidrs=[FOUR[1], SIX[1]])
        with answering(listener_in(sandbox, sandbox.addresses[1], 80)):
            assert fetch(HOST, 18090), "after a restart of the agent"
        await network.delete(sandbox.pod_uid)
        assert "18090" not in subprocess.check_output(["nft", "list", "ruleset"], text=True)


async def test_a_port_published_on_an_address_stays_in_its_family(host):
    ports = [{"containerPort": 80, "hostPort": 18091, "hostIP": HOST}]
    async with running(FOUR, SIX) as network:
        sandbox = await network.create(pod({"containers": [{"name": "c", "image": "i", "ports": ports}]}), hostname="a")
        with answering(listener_in(sandbox, sandbox.addresses[1], 80)):
            assert fetch(HOST, 18091)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("192.0.2.77", 18091), timeout=2)


async def test_a_range_that_the_host_uses_is_a_conflict_in_either_family(host):
    subprocess.run(["ip", "-6", "route", "add", "fd78:5::/80", "dev", "out0"], check=True)
    with instance() as settings:
        network = BridgeNetwork(settings)
        for own in ("fd78:5::/64", "2001:db8:77::/64"):
            with pytest.raises(HostConflict, match=r"out0.*SLIPWAY_POD_NETWORK"):
                await network.start(pod_cidrs=["10.178.9.0/24", own], cluster_cidrs=["10.178.0.0/16", own])
        await network.remove_everything()


async def test_a_host_keeps_its_router_advertisements_when_it_begins_to_forward(host):
    setting = Path("/proc/sys/net/ipv6/conf/out0/accept_ra")
    forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    forwarding.write_text("0")
    setting.write_text("1")
    async with running(FOUR, SIX):
        assert (setting.read_text().strip(), forwarding.read_text().strip()) == ("2", "1")


async def test_both_tables_go_with_the_instance(host):
    async with running(FOUR, SIX) as network:
        tables = subprocess.check_output(["nft", "list", "tables"], text=True)
        assert {f"table {family} {network._table}" for family in ("ip", "ip6")} <= set(tables.splitlines())
    assert network._table not in subprocess.check_output(["nft", "list", "tables"], text=True)
