"""Pods of one node reach each other past the bridge, and only where every rule would let them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import struct
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

from nodeagent.network import shortcut
from nodeagent.network.pod_state import hardware_address, veth_name
from nodeagent.network.pods import BridgeNetwork
from tests.agent.host import needs_host, pod, until
from tests.agent.patience import patience
from tests.agent.services_host import (
    ADDRESS,
    CLUSTER,
    CLUSTER_6,
    POD_RANGE,
    POD_RANGE_6,
    Node,
    Place,
    answering,
    dual,
    segment,
    service,
    slices,
)
from tests.agent.test_network_spoofing import ethernet, packet

__all__ = ["dual", "segment"]
pytestmark = needs_host

ROUNDS = 200
"""One packet in eight is looked at: that none of so many is, happens once in 10^11."""


class Counted:
    """How many packets of pods have met the host's IP stack, or the bridge."""

    def __init__(self, bridge: str, family: str) -> None:
        self.family, self.table = family, f"count{bridge[-8:]}"
        hook, match = ("prerouting", "ether type ip") if family == "bridge" else ("forward", f'iifname "{bridge}"')
        rules = f"type filter hook {hook} priority 300;\n{match} counter\n"
        script = f"table {family} {self.table} {{\nchain seen {{\n{rules}}}\n}}\n"
        subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)

    def packets(self) -> int:
        told = subprocess.check_output(["nft", "list", "table", self.family, self.table], text=True)
        return int(told.partition("counter packets ")[2].split()[0])

    def during(self, what: Any) -> int:
        before = self.packets()
        what()
        return self.packets() - before


@contextlib.contextmanager
def counted(node: Node, family: str = "inet") -> Iterator[Counted]:
    made = Counted(f"slip{node.settings.instance}", family)
    try:
        yield made
    finally:
        subprocess.run(["nft", "delete", "table", family, made.table], check=True)


class Talk:
    """A connection from one pod to what listens in another."""

    def __init__(self, place: Place, address: str, port: int = 8080, source: tuple[str, int] | None = None) -> None:
        self.socket = place.call(lambda: connected((address, port), source))
        self.stream = self.socket.makefile("rwb")
        self.greeting = self.stream.readline()

    @property
    def port(self) -> int:
        """Its own."""
        return int(self.socket.getsockname()[1])

    def say(self, rounds: int = 1) -> None:
        for number in range(rounds):
            line = f"{number} " * 9 + "\n"
            self.stream.write(line.encode())
            self.stream.flush()
            assert self.stream.readline() == line.encode()

    def reset(self) -> None:
        """End it at once, so that its port can be used again."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def connected(target: tuple[str, int], source: tuple[str, int] | None) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
    made.settimeout(patience(5))
    if source is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one port for connections to several places
        made.bind(source)
    made.connect(target)
    return made


@contextlib.contextmanager
def talking(node: Node, address: str, *, port: int = 8080) -> Iterator[Talk]:
    made = Talk(node.places["asker"], address, port)
    try:
        yield made
    finally:
        made.close()


async def pair(node: Node) -> list[str]:
    """Two pods; the addresses of the second."""
    await node.pod("asker")
    await node.pod("server")
    return list(node.sandboxes["server"].addresses)


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
async def test_a_connection_that_lasts_leaves_the_bridge(dual: Node, family: int):
    address = (await pair(dual))[family]
    any_address = "::" if family else "0.0.0.0"
    with (
        answering(dual.places["server"], "server", address=any_address),
        counted(dual) as seen,
        talking(dual, address) as talk,
    ):
        assert dual.sandboxes["asker"].addresses[family] in talk.greeting.decode()
        talk.say(ROUNDS)
        assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS / 4


async def test_through_a_service_and_in_what_begins_and_ends_every_packet_meets_the_tables(dual: Node):
    address, _ = await pair(dual)
    await dual.put(service(), slices(address))
    with answering(dual.places["server"], "server"), counted(dual) as seen:
        with talking(dual, ADDRESS, port=80) as talk:
            talk.say(ROUNDS)
            assert seen.during(lambda: talk.say(ROUNDS)) >= 2 * ROUNDS
        many = [Talk(dual.places["asker"], address) for _ in range(8)]
        for each in many:
            each.say(ROUNDS // 4)
        before = seen.packets()
        for each in many:
            each.close()
        await until(lambda: seen.packets() >= before + 2 * len(many))  # FIN of each side


async def test_what_was_learnt_of_ports_is_forgotten_when_they_are_a_services(dual: Node):
    address, _ = await pair(dual)
    await dual.put(service(), slices(address))
    own = dual.sandboxes["asker"].addresses[0]
    with answering(dual.places["server"], "server"), counted(dual) as seen:
        with talking(dual, address) as talk:
            port = talk.port
            talk.say(ROUNDS)
            assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS
            talk.reset()
        await asyncio.to_thread(forget_tracked, own, port, address)
        with contextlib.closing(Talk(dual.places["asker"], ADDRESS, 80, source=(own, port))) as again:
            assert seen.during(lambda: again.say(ROUNDS)) >= 2 * ROUNDS


@pytest.mark.parametrize("first", ["through the service", "straight"])
async def test_one_port_for_a_connection_through_a_service_and_for_one_past_it(dual: Node, first: str):
    """Tracking gives the second another port on its way: what comes out of that has the ports of the first."""
    address, _ = await pair(dual)
    await dual.put(service(), slices(address))
    own, asker = dual.sandboxes["asker"].addresses[0], dual.places["asker"]
    ways = {"through the service": (ADDRESS, 80), "straight": (address, 8080)}
    with answering(dual.places["server"], "server"), counted(dual) as seen, contextlib.ExitStack() as open_:
        begun = {first: Talk(asker, *ways[first], source=(own, 44444))}
        for name in ways.keys() - {first}:
            begun[name] = Talk(asker, *ways[name], source=(own, 44444))
        for talk in begun.values():
            open_.callback(talk.close)
        for _ in range(3):
            for talk in begun.values():
                talk.say(ROUNDS // 2)
        through = begun["through the service"]
        assert seen.during(lambda: through.say(ROUNDS)) >= 2 * ROUNDS


def forget_tracked(source: str, port: int, target: str) -> None:
    """As the kernel does with what has ended, when its table gets full: else it would not give the port to another."""
    connection: Any = NFCTAttrTuple(saddr=source, daddr=target, proto=socket.IPPROTO_TCP, sport=port, dport=8080)
    tracking: Any = NFCTSocket()
    with tracking:
        tracking.entry("del", tuple_orig=connection)


async def test_what_is_for_the_node_to_route_does_not_pass_the_bridge(dual: Node):
    address, _ = await pair(dual)
    await dual.put(service(), slices(address))
    with (
        answering(dual.places["server"], "server"),
        counted(dual, "bridge") as seen,
        talking(dual, ADDRESS, port=80) as talk,
    ):
        assert seen.packets() == 0
        talk.say(ROUNDS)
        assert seen.packets() == 0


async def test_pods_that_a_policy_concerns_take_the_long_way_from_that_moment(dual: Node):
    address, _ = await pair(dual)
    short = dual.network._shortcut
    with answering(dual.places["server"], "server"), counted(dual) as seen, talking(dual, address) as talk:
        talk.say(ROUNDS)
        for held in (dual.sandboxes["asker"].addresses[0], dual.sandboxes["server"].addresses[1]):
            short.hold([held])
            assert seen.during(lambda: talk.say(ROUNDS)) >= 2 * ROUNDS
            short.hold([])
            assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcut, "SECONDS", 1)


async def test_a_rule_that_comes_is_met_within_seconds_even_if_we_are_not_told(forgetful: None, dual: Node):
    """An administrator's own, say."""
    address, _ = await pair(dual)
    with answering(dual.places["server"], "server"), counted(dual) as seen, talking(dual, address) as talk:
        talk.say(ROUNDS)
        subprocess.run(["nft", f"insert rule inet {seen.table} seen tcp dport 8080 drop"], check=True)
        talk.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            talk.say(10**9)


@pytest.mark.parametrize("limited", ["asker", "server"])
async def test_with_a_limit_of_bandwidth_the_long_way(dual: Node, limited: str):
    for name in ("asker", "server"):
        annotations = {"kubernetes.io/ingress-bandwidth": "10G"} if name == limited else {}
        made = dual.sandboxes[name] = await dual.network.create(pod(annotations=annotations), hostname=name)
        dual.places[name] = Place(str(made.network))
    address = dual.sandboxes["server"].addresses[0]
    with answering(dual.places["server"], "server"), counted(dual) as seen, talking(dual, address) as talk:
        assert seen.during(lambda: talk.say(ROUNDS)) >= 2 * ROUNDS


async def test_another_pods_connection_is_not_to_be_used(dual: Node):
    """Not from another interface, be it with the same addresses of IP and hardware."""
    address, _ = await pair(dual)
    await dual.pod("liar")
    own = dual.sandboxes["asker"].addresses[0]
    listener = dual.places["server"].call(lambda: bound(address))
    asker = dual.places["asker"].call(lambda: bound(own))
    with listener, asker, counted(dual) as seen:
        asker.connect((address, PORT))
        assert seen.during(lambda: [asker.send(b"mine") for _ in range(ROUNDS)]) < ROUNDS
        assert all(listener.recv(100) == b"mine" for _ in range(ROUNDS))
        kind, body = packet(own, address, PORT)
        gateway = (b"\x0a\x58" + bytes.fromhex(dual.settings.instance)).hex(":")
        for hardware in ("liar", "asker"):
            frame = ethernet(hardware_address(dual.sandboxes[hardware].pod_uid), gateway, kind, body)
            dual.places["liar"].call(functools.partial(send_frames, frame, 20))
        assert seen.during(lambda: asker.send(b"mine")) == 0, "there is something to use"
        assert listener.recv(100) == b"mine"
        asker.send(b"last")
        assert listener.recv(100) == b"last"


PORT = 9999


def bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, PORT))
    made.settimeout(5)
    return made


def send_frames(frame: bytes, count: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("eth0", 0))
        for _ in range(count):
            raw.send(frame)


async def test_an_agent_that_does_not_want_it_takes_it_away(dual: Node):
    """And what it then makes of policies nobody goes past."""
    address, _ = await pair(dual)
    again = BridgeNetwork(dual.settings, shortcut=shortcut.Shortcut(is_on=False))
    ranges = {"pod_cidrs": [POD_RANGE, POD_RANGE_6], "cluster_cidrs": [CLUSTER, CLUSTER_6]}
    with answering(dual.places["server"], "server"), counted(dual) as seen, talking(dual, address) as talk:
        talk.say(ROUNDS)
        assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS
        for _ in range(2):  # the second finds nothing
            await again.start(**ranges)
            assert seen.during(lambda: talk.say(ROUNDS)) >= 2 * ROUNDS
            assert "bpf" not in subprocess.check_output(
                ["tc", "filter", "show", "dev", veth_name(dual.sandboxes["server"].pod_uid), "ingress"], text=True
            )
        await again.close()


async def test_more_pods_than_it_knows_places_for_have_the_long_way(dual: Node, monkeypatch: pytest.MonkeyPatch):
    dual.network._shortcut.close()
    monkeypatch.setattr(shortcut, "_PODS", 3)  # asker's two addresses, and one of server's
    again = BridgeNetwork(dual.settings)
    ranges = {"pod_cidrs": [POD_RANGE, POD_RANGE_6], "cluster_cidrs": [CLUSTER, CLUSTER_6]}
    await again.start(**ranges)
    dual.network = again
    addresses = await pair(dual)
    server = dual.places["server"]
    with answering(server, "four"), answering(server, "six", address="::"), counted(dual) as seen:
        long = []
        for address in addresses:
            with talking(dual, address) as talk:
                talk.say(ROUNDS)
                long.append(seen.during(functools.partial(talk.say, ROUNDS)) >= 2 * ROUNDS)
    assert long == [False, True]


async def test_an_agent_that_starts_again_takes_over(dual: Node):
    address, _ = await pair(dual)
    again = BridgeNetwork(dual.settings)
    ranges = {"pod_cidrs": [POD_RANGE, POD_RANGE_6], "cluster_cidrs": [CLUSTER, CLUSTER_6]}
    with answering(dual.places["server"], "server"), counted(dual) as seen, talking(dual, address) as talk:
        talk.say(ROUNDS)
        dual.network._shortcut.close()
        assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS, "without an agent"
        again._shortcut.hold([address])
        await again.start(**ranges)
        assert seen.during(lambda: talk.say(ROUNDS)) >= 2 * ROUNDS, "held before the first packet"
        again._shortcut.hold([])
        talk.say(ROUNDS)
        assert seen.during(lambda: talk.say(ROUNDS)) < ROUNDS
        await again.close()
