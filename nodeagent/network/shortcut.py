"""A shorter way for what pods send: past the bridge, and between pods of one node past everything that would change nothing.

The long way is the bridge, the host's IP stack and every table that somebody hooked into it. What it did with a connection
it goes on doing, and most packets belong to connections that are older than a moment. So two small programs (tc-bpf(8)) sit
at the host's end of each pod's interface:

    where packets leave towards a pod    *learn*: one that came out as it is has been let through; noted for `SECONDS`
    where packets come from a pod        *take*: one just like it goes straight into the other pod's interface; any other
                                         that is for the node to route goes on as if the bridge had received it

No rule is known to the programs, and none has to be: what a table drops never comes out, and what it translates does not come
out as it went in. That is seen by a fingerprint of addresses and ports which the packet carries through the stack (tc_index): by
itself what comes out may look like another connection of the same two pods. After `SECONDS` the next packet goes the long way
again, is tracked there, and is learnt anew or not.

Only TCP and UDP take part, and only from a pod's own addresses, hardware address and interface: all else goes through the
bridge and its own table (`spoofing`). SYN, FIN and RST never go straight: connections begin and end where they are tracked, and
whoever begins or accepts one forgets what was learnt of its ports: they may be those of a service's connection now, whose answers
are translated. (For UDP connection tracking gives the service's another port as long as the old one may be remembered.)
Nor does what concerns a pod that a network policy or an isolated namespace does (`Shortcut.hold`): its packets meet their rules
one by one. Pods with a limit of bandwidth have no programs.

It is off unless asked for (`is_wanted`): docs/networking.md says why.

Everything is the kernel's and goes on without an agent. A kernel that refuses the programs has the long way alone.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from nodeagent.network import bpf, sysctl, wiring
from nodeagent.network.bpf import CONTEXT, FRAME, Code

log = logging.getLogger(__name__)

SECONDS = 5
ONE_IN = 8
"""Connections are learnt that have more than a few packets: one in so many is looked at."""
_FLOWS, _PODS = 16384, 4096
_LIBERAL = "net/netfilter/nf_conntrack_tcp_be_liberal"

# struct __sk_buff and helpers, linux/bpf.h
_VLAN, _IFINDEX, _TC_INDEX, _DATA, _DATA_END = 20, 40, 44, 76, 80
_MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _RANDOM, _STORE_BYTES, _REDIRECT = 1, 2, 3, 7, 9, 23
_CHANGE_TYPE, _REDIRECT_PEER, _COARSE_TIME = 32, 155, 160
_AS_RECEIVED = 1
"""BPF_F_INGRESS."""
_GO_ON = -1
"""TC_ACT_UNSPEC: as if there were no program."""

# What a packet is known by, and a pod.
_FLOW, _POD = struct.Struct("=16s16sII"), struct.Struct("=I6sH4x")
_SOURCE, _TARGET, _PORTS, _PROTOCOL = -40, -24, -8, -4
_SPARE = -56
_HELD = 10
"""Where a pod's entry says whether it is held."""

_PACKET, _END, _FLAGS, _TRANSPORT = 7, 8, 9, 5
_SYN, _FIN_SYN_RST = 0x02, 0x07


def address_key(address: str | IPv4Address | IPv6Address) -> bytes:
    return ip_address(address).packed.ljust(16, b"\0")


def _parse(code: Code) -> Code:
    """The context in 6, the packet in 7, those of its flags that we care about in 9, and what it is known by at the end of the
    stack; to ``pass`` with what is not ours."""
    code.copy(6, CONTEXT).load(4, 1, 6, _VLAN).when(1, "!=", 0, "pass")
    code.load(4, _PACKET, 6, _DATA).load(4, _END, 6, _DATA_END).set(_FLAGS, 0).set(1, 0)
    for offset in range(_SOURCE, 0, 8):
        code.store(8, FRAME, offset, 1)
    code.copy(1, _PACKET, 42).when_register(1, ">", _END, "pass")
    code.load(2, 2, _PACKET, 12)
    code.when(2, "==", socket.htons(0x86DD), "six").when(2, "!=", socket.htons(0x0800), "pass")
    code.load(1, 1, _PACKET, 14).when(1, "!=", 0x45, "pass")  # no options
    code.load(2, 1, _PACKET, 20).when(1, "&", socket.htons(0x3FFF), "pass")  # nor a fragment
    code.load(1, 3, _PACKET, 23)
    code.load(4, 1, _PACKET, 26).store(4, FRAME, _SOURCE, 1).load(4, 1, _PACKET, 30).store(4, FRAME, _TARGET, 1)
    code.copy(_TRANSPORT, _PACKET, 34).jump("transport")
    code.label("six").copy(1, _PACKET, 62).when_register(1, ">", _END, "pass")
    code.load(1, 3, _PACKET, 20)
    for word in range(8):
        code.load(4, 1, _PACKET, 22 + 4 * word).store(4, FRAME, _SOURCE + 4 * word, 1)
    code.copy(_TRANSPORT, _PACKET, 54)
    code.label("transport").when(3, "==", socket.IPPROTO_UDP, "ports").when(3, "!=", socket.IPPROTO_TCP, "pass")
    code.copy(1, _TRANSPORT, 14).when_register(1, ">", _END, "pass")
    code.load(1, _FLAGS, _TRANSPORT, 13).mask(_FLAGS, _FIN_SYN_RST)
    code.label("ports").load(4, 1, _TRANSPORT, 0).store(4, FRAME, _PORTS, 1)
    return code.store(4, FRAME, _PROTOCOL, 3)


def _look_up(code: Code, map_: int, key: int, missing: str = "pass") -> Code:
    """What is there in 0; to ``missing`` where nothing is."""
    return code.map(1, map_).copy(2, FRAME, key).call(_MAP_LOOKUP).when(0, "==", 0, missing)


def _fingerprint(code: Code) -> Code:
    """Of what a packet is known by, sixteen bits in 1: another wherever one of its ports is."""
    code.load(4, 1, FRAME, _PORTS)
    for offset in range(_SOURCE, _PORTS, 4):
        code.load(4, 2, FRAME, offset).xor(1, 2)
    return code.copy(2, 1).shift_right(2, 16).xor(1, 2).mask(1, 0xFFFF)


def _finish(code: Code) -> bytes:
    return code.label("pass").set(0, _GO_ON).end().assemble()


@dataclass(frozen=True)
class Device:
    index: int
    hardware: bytes


def take(pods: int, flows: int, bridge: Device) -> bytes:
    """The program for what comes from a pod. ``pods``, ``flows``: descriptors of maps."""
    code = _parse(Code())
    _look_up(code, pods, _SOURCE)
    code.load(4, 1, 0, 0).load(4, 2, 6, _IFINDEX).when_register(1, "!=", 2, "pass")
    for size, of_packet, of_pod in ((4, 6, 4), (2, 10, 8)):  # the hardware address
        code.load(size, 1, _PACKET, of_packet).load(size, 2, 0, of_pod).when_register(1, "!=", 2, "pass")
    for size, at in ((4, 0), (2, 4)):  # to the bridge's
        word = int.from_bytes(bridge.hardware[at : at + size], sys.byteorder)
        code.wide(2, word).load(size, 1, _PACKET, at).when_register(1, "!=", 2, "pass")
    _fingerprint(code).store(4, 6, _TC_INDEX, 1)
    code.when(_FLAGS, "&", _SYN, "begins").when(_FLAGS, "!=", 0, "bridge").load(2, 1, 0, _HELD).when(
        1, "!=", 0, "bridge"
    )
    _look_up(code, flows, _SOURCE, "bridge")
    code.load(8, 9, 0, 0).call(_COARSE_TIME).when_register(0, ">", 9, "bridge")
    _look_up(code, pods, _TARGET, "bridge")
    code.load(2, 1, 0, _HELD).when(1, "!=", 0, "bridge").load(4, 9, 0, 0)
    for size, of_pod in ((4, 4), (2, 8)):
        code.load(size, 1, 0, of_pod).store(size, FRAME, _SPARE + of_pod - 4, 1)
    code.copy(1, 6).set(2, 0).copy(3, FRAME, _SPARE).set(4, 6).set(5, 0).call(_STORE_BYTES).when(0, "!=", 0, "pass")
    # The frame was for the bridge, not for this interface: now it is for whom it reaches (PACKET_HOST).
    code.copy(1, 6).set(2, 0).call(_CHANGE_TYPE)
    code.copy(1, 9).set(2, 0).call(_REDIRECT_PEER).end()
    code.label("begins").map(1, flows).copy(2, FRAME, _SOURCE).call(_MAP_DELETE)
    code.label("bridge").set(1, bridge.index).set(2, _AS_RECEIVED).call(_REDIRECT).end()
    return _finish(code)


def learn(pods: int, flows: int) -> bytes:
    """The program for what leaves towards a pod."""
    code = Code().copy(6, CONTEXT).call(_RANDOM).mask(0, ONE_IN - 1).when(0, "!=", 0, "pass").copy(CONTEXT, 6)
    _parse(code)
    code.when(_FLAGS, "!=", 0, "pass")
    _fingerprint(code).load(4, 2, 6, _TC_INDEX).when(2, "==", 0, "pass").when_register(1, "!=", 2, "pass")
    _look_up(code, pods, _SOURCE)
    _look_up(code, pods, _TARGET)
    code.load(4, 1, 0, 0).load(4, 2, 6, _IFINDEX).when_register(1, "!=", 2, "pass")
    code.call(_COARSE_TIME).wide(1, SECONDS * 10**9).add(0, 1).store(8, FRAME, _SPARE, 0)
    code.map(1, flows).copy(2, FRAME, _SOURCE).copy(3, FRAME, _SPARE).set(4, 0).call(_MAP_UPDATE)
    return _finish(code)


@dataclass(frozen=True)
class Programs:
    """By their descriptors."""

    take: int
    learn: int


@dataclass(frozen=True)
class _Pod:
    interface: int
    hardware: bytes
    addresses: tuple[str, ...]


def is_wanted() -> bool:
    return os.environ.get("SLIPWAY_SHORTCUT") == "1"


def attach(host: wiring.Wire, interface: str, programs: Programs) -> bool:
    """In place of an earlier agent's. What the kernel does not take leaves the pod with the long way."""
    try:
        wiring.classify(host, interface, out_of_pod=programs.take, into_pod=programs.learn)
    except OSError as error:
        log.info("%s: no programs for its packets: %s", interface, error)
        return False
    return True


def detach(host: wiring.Wire, interface: str) -> None:
    """An earlier agent's, of which nobody would say any more whom policies concern."""
    try:
        wiring.declassify(host, interface)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENODEV):
            log.warning("%s: the programs for its packets cannot be taken away: %s", interface, error)


class Shortcut:
    """Which pods take part; none where it is not on. Not for two threads at once."""

    def __init__(self, *, is_on: bool = True) -> None:
        self.programs: Programs | None = None
        self._bridge: Device | None = None
        self._places: bpf.Map | None = None
        self._flows: bpf.Map | None = None
        self._here: dict[str, _Pod] = {}
        """By their interfaces."""
        self._held: frozenset[str] | None = None
        """None: it is not known yet whom policies concern."""
        self._entered: dict[bytes, bytes] = {}
        """As the kernel has it."""
        self._is_on = is_on

    def open(self, bridge: Device) -> None:
        """Once connections are tracked. Where it fails, nothing takes part."""
        if not self._is_on or (self.programs is not None and bridge == self._bridge):
            return
        self.close()
        # A connection that was out of sight for a while goes on with numbers that were not expected, and ends with them.
        sysctl.put(_LIBERAL, "1")
        if sysctl.get(_LIBERAL) != "1":
            return
        try:
            self._places = bpf.Map(bpf.HASH, key=16, value=_POD.size, entries=_PODS)
            self._flows = bpf.Map(bpf.LRU_HASH, key=_FLOW.size, value=8, entries=_FLOWS)
            maps = self._places.descriptor, self._flows.descriptor
            taking = bpf.load("slipway_take", take(*maps, bridge))
            self.programs = Programs(taking, bpf.load("slipway_learn", learn(*maps)))
            self._bridge = bridge
        except OSError as error:
            log.info("pods of this node reach each other by the long way alone: %s", error)
            self.close()

    def close(self) -> None:
        """What is attached stays, and goes on."""
        for each in (self._places, self._flows):
            if each is not None:
                each.close()
        if self.programs is not None:
            os.close(self.programs.take)
            os.close(self.programs.learn)
        self._places = self._flows = self.programs = None
        self._entered = {}

    def adopt(self, host: wiring.Wire, interface: str, hardware: str, addresses: Iterable[str]) -> None:
        """A pod that was here before us: with our programs in the place of an earlier agent's, or with none."""
        if self.programs is not None and attach(host, interface, self.programs):
            self.enter(interface, hardware, addresses)
        else:
            detach(host, interface)

    def enter(self, interface: str, hardware: str, addresses: Iterable[str]) -> None:
        """A pod, to whose interface the programs have been attached. Nothing, if it ends just now."""
        address = bytes.fromhex(hardware.replace(":", ""))
        try:
            index = socket.if_nametoindex(interface)
        except OSError:
            return
        self._here[interface] = _Pod(index, address, tuple(addresses))
        self._follow()

    def forget(self, interface: str) -> None:
        if self._here.pop(interface, None) is not None:
            self._follow()

    def hold(self, addresses: Collection[str]) -> None:
        """Only what concerns these, from now on, goes through the host's rules packet by packet."""
        self._held = frozenset(addresses)
        self._follow()

    def _follow(self) -> None:
        if self._places is None:
            return
        wanted = dict(self._wanted())
        for key in self._entered.keys() - wanted.keys():
            self._places.delete(key)
            del self._entered[key]
        for key, value in wanted.items():
            if self._entered.get(key) != value:
                self._put(self._places, key, value)

    def _put(self, places: bpf.Map, key: bytes, value: bytes) -> None:
        """What does not become known, because there are too many say, has the long way."""
        try:
            places.put(key, value)
            self._entered[key] = value
        except OSError as error:
            log.warning("a pod of this node is reached by the long way alone: %s", error)
            places.delete(key)
            self._entered.pop(key, None)

    def _wanted(self) -> Iterator[tuple[bytes, bytes]]:
        for pod in self._here.values():
            held = self._held is None or not self._held.isdisjoint(pod.addresses)
            for address in pod.addresses:
                yield address_key(address), _POD.pack(pod.interface, pod.hardware, held)
