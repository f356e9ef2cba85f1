"""Which address ranges the pods and services of a new instance get: ones that nothing on this host uses yet. And whether ranges
keep apart.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schema import ranges
from schema.ranges import Claimed, Range

CANDIDATES = tuple(ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in (*range(244, 255), *range(200, 244)))


class NoFreeRange(Exception):
    """Every candidate overlaps a route of this host, or is another instance's."""


@dataclass(frozen=True)
class Segment:
    """A range whose hosts are reached by a device of this host without a gateway."""

    network: Range
    device: str


def routed(table: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """The destinations this host has routes for, the default route left out (format: proc_net_route)."""
    return [network for line in table.read_text().splitlines()[1:] for network in _parsed(line)]


def _parsed(line: str) -> list[ipaddress.IPv4Network]:
    """The destination of a line of /proc/net/route; none for the default route."""
    fields = line.split()
    destination, mask = (socket.inet_ntoa(struct.pack("<L", int(fields[i], 16))) for i in (1, 7))
    return [ipaddress.IPv4Network(f"{destination}/{mask}")] if mask != "0.0.0.0" else []  # noqa: S104 - a netmask


def choose(used: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    taken = list(used)
    for candidate in CANDIDATES:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise NoFreeRange(
        "every range from 10.200.0.0/16 to 10.254.0.0/16 is used by this host; "
        "choose another one with SLIPWAY_POD_NETWORK"
    )


CLAIMS = Path("/run/slipway-ranges")


def settle(home: Path, claims: Path = CLAIMS) -> str:
    """The instance's pod network: as kept from the first start, else a free one, now kept.

    What is chosen shows in the host's routes only when the first node has its bridge. Until then, and while an instance is
    down, a file in ``claims`` names the home that has it; it counts as long as that home says so too.
    """
    kept = home / KEPT
    with _claiming(claims) as claimed:
        try:
            return kept.read_text().strip()
        except FileNotFoundError:
            chosen = choose([*routed(), *claimed])
            _write(kept, str(chosen))
            if claims.is_dir():
                _write(claims / str(chosen.network_address), str(home.absolute()))
            return str(chosen)


KEPT = "pod-network"


@contextlib.contextmanager
def _claiming(claims: Path) -> Iterator[list[ipaddress.IPv4Network]]:
    """One instance at a time. Where the directory cannot be written (no root), nothing is known of others."""
    try:
        claims.mkdir(mode=0o755, exist_ok=True)
        lock = (claims / ".lock").open("w")
    except OSError:
        yield []
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield [network for path in sorted(claims.iterdir()) if (network := _claimed(path)) is not None]


def _claimed(path: Path) -> ipaddress.IPv4Network | None:
    """None for a claim that its home does not share (any more): it is forgotten."""
    if path.name.startswith("."):
        return None
    try:
        said = Path(path.read_text().strip(), KEPT).read_text().strip()
        network = ipaddress.IPv4Network(said)
    except (OSError, ValueError):
        network = None
    if network is None or str(network.network_address) != path.name:
        path.unlink(missing_ok=True)
        return None
    return network


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text + "\n")
    draft.rename(path)


def segments(
    table: Path = Path("/proc/net/route"), table6: Path = Path("/proc/net/ipv6_route"), *, but: tuple[str, ...]
) -> list[Segment]:
    """Of this host, but those of its instance's own devices, whose names all end with one of ``but``: the ids of the
    instance (the lab's bridge) and of its agent, which has a home of its own (the pods' bridge, the tunnel).

    A route by a gateway is left out: the agent's own to other nodes look like that, and it checks what it adds.
    """
    found = []
    for line in table.read_text().splitlines()[1:]:
        device, _, gateway = line.split()[:3]
        if gateway == "00000000" and not device.endswith(but):
            found += [Segment(network, device) for network in _parsed(line)]
    for line in table6.read_text().splitlines() if table6.exists() else []:
        destination, length, _, _, gateway, _, _, _, flags, device = line.split()
        # Up; no host route, cached route or default route; no link-local or multicast range, which every device has.
        plain = int(flags, 16) & 0x1 and not int(flags, 16) & 0x81000200
        network = ipaddress.IPv6Network((bytes.fromhex(destination), int(length, 16)), strict=False)
        everywhere = network.is_link_local or network.is_multicast or network.prefixlen in (0, 128)
        if plain and int(gateway, 16) == 0 and not everywhere and device != "lo" and not device.endswith(but):
            found.append(Segment(network, device))
    return found


def check(pods: str, *, services: str, lab: Range | None, host: Iterable[Segment]) -> None:
    """Raises `RangeError` where a setting is no range, or two of pods, services, lab and host overlap."""
    pod_setting, service_setting = "SLIPWAY_POD_NETWORK", "SLIPWAY_SERVICE_NETWORK"
    of_pods = [Claimed(each, "the pod network", pod_setting) for each in ranges.parse(pods, setting=pod_setting)]
    of_services = [
        Claimed(each, "the service network", service_setting)
        for each in ranges.parse(services, setting=service_setting)
    ]
    of_host = [Claimed(each.network, f"what this host has on {each.device},") for each in host]
    ours = [*of_pods, *of_services, *([Claimed(lab, "the lab's range", "SLIPWAY_LAB_NETWORK")] if lab else [])]
    ranges.check_apart(ours)
    for one in of_host:  # the host's own may overlap each other
        for own in (*of_pods, *of_services):
            ranges.check_apart([own, one])


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
    known = first == 10 and 200 <= second <= 254
    return f"10.{second - 148}.0.0/16" if known else DEFAULT_SERVICES
