"""Ranges of addresses as settings name them: one, or one of each family with a comma between. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

Range = IPv4Network | IPv6Network


class RangeError(ValueError):
    """The text is for people, and names the setting."""


@dataclass(frozen=True)
class Claimed:
    """A range, and what it is for."""

    network: Range
    purpose: str
    """``the pod network``."""
    setting: str = ""
    """That chooses another one; empty: no setting of ours does."""

    def __str__(self) -> str:
        return f"{self.purpose} {self.network}" + (f" ({self.setting})" if self.setting else "")


def parse(text: str, *, setting: str) -> list[Range]:
    """In the order given: the first is the family that single addresses are of. Raises `RangeError`."""
    found = [_one(part.strip(), setting) for part in text.split(",")]
    if len(found) > 2 or len({network.version for network in found}) < len(found):
        raise RangeError(f"{setting}: {text!r} must be one range, or one of IPv4 and one of IPv6 with a comma between")
    return found


def _one(text: str, setting: str) -> Range:
    try:
        return ip_network(text)
    except ValueError as error:
        raise RangeError(f"{setting}: {text!r} is no range of addresses: {error}") from None


def check_apart(claimed: Iterable[Claimed]) -> None:
    """Raises `RangeError` at the first two that overlap, naming both."""
    seen: list[Claimed] = []
    for one in claimed:
        for other in seen:
            if _overlap(one.network, other.network):
                setting = other.setting or one.setting
                raise RangeError(
                    f"{other} overlaps {one}" + (f": choose another range with {setting}" if setting else "")
                )
        seen.append(one)


def _overlap(one: Range, other: Range) -> bool:
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)


def contains(network: Range, other: Range) -> bool:
    return network.version == other.version and other.subnet_of(network)  # type: ignore[arg-type]


def node_prefix_length(network: Range, chosen: int = 0) -> int:
    """Of one node's share of the pod network. ``chosen`` is the setting; 0: a /24 of IPv4; a /64 of IPv6 where 256 nodes have
    room for one each, else 16 bits more than the network's own."""
    length = network.prefixlen
    if chosen == 0:
        widest = 64 if length <= 56 else min(length + 16, 120)
        chosen = 24 if network.version == 4 else widest
    return max(chosen, length)
