"""Packets between the pods of different nodes in WireGuard: who is whose peer, which key is used, which is exchanged. Pure.

Every node has two slots: two WireGuard devices with a key and a port each, and its Node says both public keys
(`status.wireguard`). Both slots always receive. Time decides by which a node sends: by slot 0 in even periods, by slot 1 in odd
ones, so nobody has to agree about anything, and clocks may differ. While one slot carries the packets, the key of the other is
exchanged, but not before the new one is on the Node for all to read, and not while somebody still uses the former. A peer that
does not answer in the slot of the period is sent to by the other one. So a key is exchanged without the loss of a packet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, ip_network

from nodeagent.network import topology
from schema.base import Wire
from schema.ranges import Range

SETTING = "SLIPWAY_ENCRYPTION"
SLOTS = (0, 1)
OVERHEAD = 60
"""Outer IPv4 (20) and UDP (8) headers, WireGuard's header (16) and authentication (16)."""
ALIVE_SECONDS = 180.0
"""A session of WireGuard ends after so long; one in use is renewed after 120."""
KEEPALIVE_SECONDS = 25
SHORTEST_PERIOD_SECONDS = 600.0
"""In half of it a key falls out of use: `ALIVE_SECONDS` after the last handshake, which may be somewhat after the begin."""
ROTATION_SETTING = "SLIPWAY_WIREGUARD_ROTATION_SECONDS"
STATUS = "wireguard"
CONDITION = "EncryptionIncomplete"


class Encryption(StrEnum):
    OFF = "off"
    WIREGUARD = "wireguard"


def parse(word: str) -> Encryption:
    """Raises `ValueError` that names the setting."""
    try:
        return Encryption(word)
    except ValueError:
        raise ValueError(f"{SETTING} (--encryption) is {word!r}: it must be off or wireguard") from None


def parse_rotation(word: str) -> float:
    """Raises `ValueError` that names the setting."""
    with contextlib.suppress(ValueError):
        seconds = float(word)
        if seconds == 0 or SHORTEST_PERIOD_SECONDS <= seconds < float("inf"):
            return seconds
    raise ValueError(
        f"{ROTATION_SETTING} is {word!r}: it must be 0 (never) or at least {SHORTEST_PERIOD_SECONDS:.0f}: a key is "
        "exchanged only once it is out of use, which takes minutes"
    )


UNSUPPORTED = (
    f"{SETTING}=wireguard, and this host's kernel has no WireGuard: pods get no unencrypted network where encryption was asked "
    f"for. Load or install the module (modprobe wireguard; Linux 5.6 or later has it), or set {SETTING}=off on all nodes"
)


# --- members -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PublicKey:
    key: str
    """Base64."""
    port: int

    @property
    def wire(self) -> Wire:
        return {"publicKey": self.key, "port": self.port}


@dataclass(frozen=True)
class Member:
    """Another node that encrypts."""

    name: str
    address: IPv4Address
    networks: tuple[Range, ...]
    allowed: frozenset[str]
    """Whose packets may come from it: its pods' and its own."""
    keys: tuple[PublicKey, ...]
    """By slot."""


@dataclass(frozen=True)
class Members:
    encrypting: Sequence[Member]
    others: Sequence[str]
    """Names of nodes with pods that do not say any keys."""


def announced(node: Wire) -> tuple[PublicKey, ...]:
    """By slot; empty where a node does not encrypt, or says something else."""
    entries = (node.get("status") or {}).get(STATUS) or ()
    try:
        keys = tuple(PublicKey(str(entry["publicKey"]), int(entry["port"])) for entry in entries)
    except (KeyError, TypeError, ValueError):
        return ()
    return keys if len(keys) == len(SLOTS) else ()


def members(nodes: Iterable[Wire], *, own_name: str) -> Members:
    """A range, address or key that two nodes claim is the first one's."""
    encrypting: list[Member] = []
    others: list[str] = []
    taken: set[object] = set()
    for node in sorted(nodes, key=lambda one: str(one["metadata"]["name"])):
        name, address = node["metadata"]["name"], topology.node_address(node)
        networks = [each for each in (topology.pod_network(node), topology.pod_network6(node)) if each]
        if name == own_name or not networks or address is None:
            continue
        keys = announced(node)
        if not keys:
            others.append(name)
            continue
        claimed = {*networks, address, *(key.key for key in keys)}
        if claimed & taken:
            continue
        taken |= claimed
        allowed = frozenset([*map(str, networks), *_own_addresses(node)])
        encrypting.append(Member(name, address, tuple(networks), allowed, keys))
    return Members(encrypting, others)


def _own_addresses(node: Wire) -> Iterable[str]:
    """What a process of the node itself answers from."""
    for entry in (node.get("status") or {}).get("addresses") or ():
        if entry.get("type") == "InternalIP":
            yield str(ip_network(entry["address"]))


# --- peers of a device -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    key: str
    endpoint: tuple[str, int]
    allowed: frozenset[str]
    keepalive_seconds: int
    handshake: float | None = field(default=None, compare=False)
    """When the last one was, in seconds since 1970; None: there was none."""


def peers(found: Iterable[Member], slot: int, *, active: int) -> list[Peer]:
    """What a device should have. Those of the active slot are kept in touch with: whether they answer tells if it can be used."""
    keepalive = KEEPALIVE_SECONDS if slot == active else 0
    return [
        Peer(member.keys[slot].key, (str(member.address), member.keys[slot].port), member.allowed, keepalive)
        for member in found
    ]


def difference(present: Iterable[Peer], wanted: Iterable[Peer]) -> tuple[list[str], list[Peer]]:
    """(keys of peers to remove, peers to set), in that order: a range has one peer of a device."""
    held, asked = {peer.key: peer for peer in present}, {peer.key: peer for peer in wanted}
    return sorted(held.keys() - asked.keys()), [peer for key, peer in asked.items() if held.get(key) != peer]


# --- slots and time ----------------------------------------------------------------------------------------------


def active_slot(now: float, period_seconds: float) -> int:
    return int(now // period_seconds) % len(SLOTS) if period_seconds > 0 else 0


def by_slot(member: Member, active: int, handshakes: Mapping[str, float | None], now: float) -> int:
    """By which slot to send to it: the active one, unless only the other one answers."""
    ages = [_age(handshakes.get(member.keys[slot].key), now) for slot in SLOTS]
    other = 1 - active
    return other if ages[active] > ALIVE_SECONDS >= ages[other] else active


def _age(handshake: float | None, now: float) -> float:
    return float("inf") if handshake is None else now - handshake


def due(now: float, period_seconds: float, created: Sequence[float], handshakes: Sequence[float | None]) -> int | None:
    """The slot of which the key is to be exchanged now, if any. ``created``: of each slot's key. ``handshakes``: the last
    one with any peer, by slot: while one is younger than `ALIVE_SECONDS` its session may carry packets."""
    if period_seconds <= 0 or now % period_seconds < period_seconds / 2:
        return None
    resting = 1 - active_slot(now, period_seconds)
    begin = now - now % period_seconds
    unused = _age(handshakes[resting], now) > ALIVE_SECONDS
    return resting if created[resting] < begin and unused else None


# --- the guard ---------------------------------------------------------------------------------------------------


def table_name(instance: str) -> str:
    return f"slipway-{instance}-encryption"


def guard(instance: str, *, pod_networks: Sequence[Range], inside: Sequence[str]) -> str:
    """Nothing from a pod to a pod passes in the clear: not out, where a route is missing, and not in. ``inside``: devices that
    are not the outside."""
    table = table_name(instance)
    devices = ", ".join(f'"{name}"' for name in inside)
    leaving, arriving = [], []
    for network in pod_networks:
        family = "ip" if network.version == 4 else "ip6"
        leaving.append(f"oifname != {{ {devices} }} {family} daddr {network} drop")
        arriving.append(f"iifname != {{ {devices} }} {family} saddr {network} {family} daddr {network} drop")
    lines = "\n    ".join
    return f"""\
{remove(instance)}table inet {table} {{
  chain leaving {{
    type filter hook postrouting priority filter; policy accept;
    {lines(leaving)}
  }}
  chain arriving {{
    type filter hook prerouting priority raw; policy accept;
    {lines(arriving)}
  }}
}}
"""


def remove(instance: str) -> str:
    table = table_name(instance)
    return f"table inet {table} {{ }}\ndelete table inet {table}\n"
