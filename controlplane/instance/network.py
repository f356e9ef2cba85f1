"""Which address ranges the pods and services of a new instance get: ones that nothing on this host uses yet."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

CANDIDATES = tuple(ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in range(244, 255))


class NoFreeRange(Exception):
    """Every candidate overlaps a route of this host."""


def routed(table: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """The destinations this host has routes for, the default route left out (format: proc_net_route)."""
    networks = []
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        destination, mask = (socket.inet_ntoa(struct.pack("<L", int(fields[i], 16))) for i in (1, 7))
        if mask != "0.0.0.0":  # noqa: S104 - a netmask, not an address to listen on
            networks.append(ipaddress.IPv4Network(f"{destination}/{mask}"))
    return networks


def choose(used: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    taken = list(used)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise NoFreeRange(
        "every range from 10.244.0.0/16 to 10.254.0.0/16 overlaps a route of this host; "
        "choose another one with SLIPWAY_POD_NETWORK"
    )


def settle(home: Path) -> str:
    """The instance's pod network: as given, else as kept from the first start, else a free one, now kept."""
    kept = home / "pod-network"
    try:
        return kept.read_text().strip()
    except FileNotFoundError:
        chosen = str(choose(routed()))
        draft = kept.with_suffix(".new")
        draft.write_text(chosen + "\n")
        draft.rename(kept)
        return chosen


DEFAULT_SERVICES = "10.96.0.0/16"


def settle_services(home: Path, pods: str) -> str:
    """The instance's service network, kept from the first start on. Nothing on a host shows the service networks of other
    instances, but their pod networks are apart, and the choice follows that of the pods: 10.244 has 10.96, 10.245 has 10.97.
    """
    kept = home / "service-network"
    try:
        return kept.read_text().strip()
    except FileNotFoundError:
        chosen = _beside(pods)
        draft = kept.with_suffix(".new")
        draft.write_text(chosen + "\n")
        draft.rename(kept)
        return chosen


def _beside(pods: str) -> str:
    first, second = (int(part) for part in pods.split(".")[:2]) if "." in pods else (0, 0)
    known = first == 10 and 244 <= second <= 254
    return f"10.{second - 148}.0.0/16" if known else DEFAULT_SERVICES
