"""Bandwidth annotations: what a limited pod really sends and receives, and what is left of it on the host."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time

import pytest

from nodeagent.network import bandwidth
from nodeagent.network.errors import NetworkError
from nodeagent.network.pod_state import veth_name
from schema.bandwidth import EGRESS, INGRESS, Limits
from tests.agent.host import needs_host, pod, until
from tests.agent.test_network_pods import network, node_namespace, within

__all__ = ["network", "node_namespace"]
pytestmark = needs_host

AMOUNT = 1_000_000
LIMIT = "16M"
"""Of bits: 2 MB a second."""
FASTEST_SECONDS = 0.4
"""For `AMOUNT` at `LIMIT`: half a second, less what the bucket lets through at first, and the segments' own headers."""


def seconds_to_send(sender, receiver) -> float:
    """How long `AMOUNT` bytes take between two sandboxes."""
    with within(receiver, lambda: socket.create_server((receiver.addresses[0], 9000))) as listener:
        began, received = time.monotonic(), 0

        def send() -> None:
            connection = within(sender, lambda: socket.create_connection((receiver.addresses[0], 9000), timeout=10))
            with connection:
                connection.sendall(bytes(AMOUNT))

        thread = threading.Thread(target=send)
        thread.start()
        listener.settimeout(10)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(30)
            while data := connection.recv(1 << 16):
                received += len(data)
        thread.join()
    assert received == AMOUNT
    return time.monotonic() - began


@pytest.mark.parametrize("annotation", [INGRESS, EGRESS])
async def test_a_limit_holds_in_its_direction_only(network, annotation):
    limited = await network.create(pod(annotations={annotation: LIMIT}), hostname="a")
    free = await network.create(pod(), hostname="b")
    slow, fast = (free, limited) if annotation == INGRESS else (limited, free)
    assert seconds_to_send(slow, fast) > FASTEST_SECONDS
    assert seconds_to_send(fast, slow) < FASTEST_SECONDS


async def test_nothing_is_left_of_a_limited_pod(network):
    the_pod = pod(annotations={INGRESS: LIMIT, EGRESS: LIMIT})
    sandbox = await network.create(the_pod, hostname="a")
    device = bandwidth.device_name(veth_name(sandbox.pod_uid))
    assert device in _links()
    await network.delete(sandbox.pod_uid)
    assert device not in _links()
    await until(lambda: veth_name(sandbox.pod_uid) not in _links())


async def test_devices_of_pods_that_are_gone_are_collected_and_only_ours(network):
    kept = await network.create(pod(annotations={EGRESS: LIMIT}), hostname="a")
    gone = await network.create(pod(annotations={EGRESS: LIMIT}), hostname="b")
    foreign = "sb0123456789ab"
    subprocess.run(["ip", "link", "add", foreign, "type", "ifb"], check=True)
    try:
        await network.collect({kept.pod_uid})
        left = {name for name in _links() if name.startswith("sb")}
        assert left == {bandwidth.device_name(veth_name(kept.pod_uid)), foreign}
        assert bandwidth.device_name(veth_name(gone.pod_uid)) not in left
        await network.remove_everything()
        assert {name for name in _links() if name.startswith("sb")} == {foreign}
    finally:
        subprocess.run(["ip", "link", "delete", foreign], check=True)


async def test_limiting_again_changes_the_limit(network):
    limited = await network.create(pod(annotations={EGRESS: "1M"}), hostname="a")
    veth = veth_name(limited.pod_uid)
    for bits in (10**15, 10**3, 10**6):
        limits = Limits(egress=bits)
        await asyncio.to_thread(bandwidth.limit, veth, limits, instance=network._instance, mtu=1400)
    shown = json.loads(
        subprocess.check_output(["tc", "-j", "qdisc", "show", "dev", bandwidth.device_name(veth)], text=True)
    )
    assert [(each["kind"], each["options"]["rate"]) for each in shown] == [("tbf", 125_000)]
    filters = subprocess.check_output(["tc", "filter", "show", "dev", veth, "ingress"], text=True)
    assert filters.count("mirred") == 1


def test_a_pod_without_an_interface_cannot_be_limited(node_namespace):
    with pytest.raises(NetworkError, match="svnothing"):
        bandwidth.limit("svnothing", Limits(ingress=10**6), instance="12345678", mtu=1400)


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(subprocess.check_output(["ip", "-j", "link"]))}
