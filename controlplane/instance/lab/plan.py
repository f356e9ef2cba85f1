"""Decisions about a lab, without I/O: names, addresses, ranges, amounts, and the packet rules as text for ``nft -f``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from controlplane.instance.lab.errors import BadSetting, RangeConflict
from controlplane.instance.lab.state import ALL, PERFECT, Lab, Link, Node

SETTING = "SLIPWAY_LAB_NETWORK"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LATENCY = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s)?")
_LOSS = re.compile(r"(\d+(?:\.\d+)?)\s*%?")
_BANDWIDTH = re.compile(r"(\d+(?:\.\d+)?)\s*(k|m|g)?bits?(?:/s)?", re.IGNORECASE)


@dataclass(frozen=True)
class Used:
    """A range that this host has an address in or a route to."""

    network: IPv4Network
    device: str


# --- ranges and names ---------------------------------------------------------------------------------------------


def parse_network(text: str) -> IPv4Network:
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise BadSetting(f"{SETTING}: {text!r} is no range of addresses: {error}") from None
    if network.prefixlen > 29:
        raise BadSetting(f"{SETTING}: {text} has no room for nodes: a /29 is the smallest that has")
    return network


def candidates(instance: str) -> list[IPv4Network]:
    """10.230.0.0/24 to 10.230.255.0/24, from a place that differs for each instance: two that start at the same time
    choose differently."""
    first = int(instance, 16) % 256
    return [IPv4Network(f"10.230.{(first + step) % 256}.0/24") for step in range(256)]


def choose_network(instance: str, used: Sequence[Used]) -> IPv4Network:
    for candidate in candidates(instance):
        if not any(candidate.overlaps(one.network) for one in used):
            return candidate
    raise RangeConflict(f"every /24 of 10.230.0.0/16 is in use on this host; choose another range with {SETTING}")


def check_network(network: IPv4Network, used: Iterable[Used], *, pods: IPv4Network | None) -> None:
    """Raises `RangeConflict`. ``used`` is without what the lab itself has made."""
    for one in used:
        if one.network.overlaps(network):
            raise RangeConflict(
                f"the lab's range {network} overlaps {one.network}, which this host has on {one.device}: choose another "
                f"range with {SETTING}"
            )
    if pods is not None and pods.overlaps(network):
        raise RangeConflict(
            f"the lab's range {network} overlaps the pod network {pods}: choose another range with {SETTING}"
        )


def new_node(lab: Lab, name: str, *, primary: str, link: Link = PERFECT) -> Node:
    """Raises `BadSetting`."""
    if not _NAME.fullmatch(name):
        raise BadSetting(f"{name!r} cannot be a node's name: lower case letters, digits and '-'")
    if name == primary or any(node.name == name for node in lab.nodes):
        raise BadSetting(f"there is a node {name!r} already")
    taken = {node.number for node in lab.nodes}
    last = lab.network.num_addresses - 2
    number = next((each for each in range(2, last + 1) if each not in taken), None)
    if number is None:
        raise BadSetting(f"the lab's range {lab.network} has no address left; choose a larger one with {SETTING}")
    return Node(name, number, link)


def grown(lab: Lab, count: int, *, primary: str, link: Link = PERFECT) -> Lab:
    """The lab with at least ``count`` nodes, the machine's own one counted: node-2, node-3, …"""
    number = 2
    while len(lab.nodes) + 1 < count:
        name = f"node-{number}"
        number += 1
        if name != primary and all(node.name != name for node in lab.nodes):
            lab = lab.with_node(new_node(lab, name, primary=primary, link=link))
    return lab


def hardware_address(address: IPv4Address) -> str:
    """The same after every start, so that neighbours need not learn it anew."""
    return ":".join(f"{byte:02x}" for byte in b"\x0a\x5a" + address.packed)


def bridge_name(instance: str) -> str:
    """Begins like the other bridges of Slipway, which a firewall may let through as ``slip+``."""
    return f"slipl{instance}"


def interface_name(instance: str, node: str) -> str:
    """Of the host's end; 15 characters are all that the kernel allows."""
    return "sn" + hashlib.sha256(f"{instance}/{node}".encode()).hexdigest()[:12]


# --- amounts ------------------------------------------------------------------------------------------------------


def parse_link(latency: str = "", loss: str = "", bandwidth: str = "") -> Link:
    """``20ms``, ``1%``, ``100mbit``. Raises `BadSetting`."""
    return Link(_latency(latency), _loss(loss), _bandwidth(bandwidth))


def _latency(text: str) -> float:
    match = _LATENCY.fullmatch(text.strip()) if text else None
    if text and (match is None or _ms(match) > 60_000):
        raise BadSetting(f"--latency: {text!r} is no time up to a minute, like 20ms")
    return _ms(match) if match else 0.0


def _ms(match: re.Match[str]) -> float:
    return float(match[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[match[2] or "ms"]


def _loss(text: str) -> float:
    match = _LOSS.fullmatch(text.strip()) if text else None
    if text and (match is None or float(match[1]) > 100):
        raise BadSetting(f"--loss: {text!r} is no share of 100, like 1%")
    return float(match[1]) if match else 0.0


def _bandwidth(text: str) -> int:
    match = _BANDWIDTH.fullmatch(text.strip()) if text else None
    if not text:
        return 0
    bits = int(float(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}[(match[2] or "").lower()]) if match else 0
    if not 8_000 <= bits <= 100 * 10**9:
        raise BadSetting(f"--bandwidth: {text!r} is no rate between 8kbit and 100gbit, like 100mbit")
    return bits


# --- packet rules -------------------------------------------------------------------------------------------------


def table_name(instance: str) -> str:
    return f"slipway-lab-{instance}"


def rules(lab: Lab, instance: str, *, primary: str) -> str:
    """Both tables, each replaced as a whole in one transaction.

    Frames are judged on the bridge, where each node has a port: what is lost is lost on entry, and a cut drops both
    ways, on the way to other ports and to the host. Source NAT is for what leaves the lab's range, and for nothing else.
    """
    name, bridge = table_name(instance), bridge_name(instance)
    lines = [*_loss_rules(lab, instance)]
    prerouting = "\n".join(f"    {line}" for line in lines)
    forward, inward, outward = ("\n".join(f"    {each}" for each in part) for part in _cuts(lab, instance, primary))
    return f"""\
table bridge {name} {{ }}
delete table bridge {name}
table bridge {name} {{
  chain prerouting {{
    type filter hook prerouting priority -300; policy accept;
{prerouting}
  }}
  chain forward {{
    type filter hook forward priority -300; policy accept;
{forward}
  }}
  chain input {{
    type filter hook input priority -300; policy accept;
{inward}
  }}
  chain output {{
    type filter hook output priority -300; policy accept;
{outward}
  }}
}}
table ip {name} {{ }}
delete table ip {name}
table ip {name} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {lab.network} ip daddr != {lab.network} oifname != "{bridge}" masquerade
  }}
}}
"""


def remove_rules(instance: str) -> str:
    name = table_name(instance)
    return "".join(f"table {family} {name} {{ }}\ndelete table {family} {name}\n" for family in ("bridge", "ip"))


def _loss_rules(lab: Lab, instance: str) -> Iterable[str]:
    for node in lab.nodes:
        if node.link.loss_percent:
            share = round(node.link.loss_percent * 10_000)
            chance = f"numgen random mod 1000000 < {share} " if share < 1_000_000 else ""
            yield f'iifname "{interface_name(instance, node.name)}" {chance}drop'


def _cuts(lab: Lab, instance: str, primary: str) -> tuple[list[str], list[str], list[str]]:
    """Rules for what is forwarded between ports, what comes to the host, and what the host sends."""
    forward, inward, outward = [], [], []
    for node in lab.nodes:
        port = f'"{interface_name(instance, node.name)}"'
        for other in node.cut:
            if other in (ALL, primary):
                inward.append(f"iifname {port} drop")
                outward.append(f"oifname {port} drop")
            if other == ALL:
                forward += [f"iifname {port} drop", f"oifname {port} drop"]
            elif other != primary:
                far = f'"{interface_name(instance, other)}"'
                forward += [f"iifname {port} oifname {far} drop", f"iifname {far} oifname {port} drop"]
    return forward, inward, outward


def host_interface(lab: Lab) -> IPv4Interface:
    return IPv4Interface((lab.gateway, lab.network.prefixlen))
