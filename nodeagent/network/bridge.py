"""The instance's bridge, and the checks that its ranges are nobody else's on this host. Blocking, for a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

from nodeagent.errors import HostConflict
from nodeagent.network import sysctl
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Link, Netlink, Route, Route6
from schema import ranges
from schema.ranges import Range

DEFAULT_MTU = 1500


@dataclass(frozen=True)
class Bridge:
    index: int
    name: str
    mtu: int
    hardware: bytes


def ensure(name: str, pod_networks: Sequence[Range], *, overhead: int = 0, tunnels: Set[str] = frozenset()) -> Bridge:
    """Make the bridge with the first address of each range, or find it. Raises `HostConflict`.

    ``overhead``: bytes that a packet may grow by on its way to other nodes. ``tunnels``: devices to them, which an agent
    that was restarted finds with an address of the range.
    """
    try:
        with Netlink() as host:
            _check_conflicts(host, {name, *tunnels}, pod_networks)
            mtu = _outward_mtu(host) - overhead
            link = host.link(name)
            if link is None:
                link = _make(host, name, mtu)
            _settings(name, {network.version for network in pod_networks})
            for network in pod_networks:
                host.add_address(link.index, interface(network, 1))
            host.set_up(link.index, mtu=mtu)
            hardware = host.hardware_address(link.index)
    except OSError as error:
        raise NetworkError(f"cannot set up the bridge {name}: {error.strerror}") from error
    return Bridge(link.index, name, mtu, hardware)


def interface(network: Range, number: int) -> IPv4Interface | IPv6Interface:
    """The range's address of that number, with the range's prefix."""
    return ip_interface((network[number], network.prefixlen))


def _make(host: Netlink, name: str, mtu: int) -> Link:
    host.add_bridge(name, mtu=mtu)
    link = host.link(name)
    assert link is not None  # noqa: S101
    # Without an address of its own, a bridge takes the lowest of its ports: it would change as pods come and go.
    host.set_hardware_address(link.index, b"\x0a\x58" + bytes.fromhex(name[-8:])[:4])
    return link


def _check_conflicts(host: Netlink, own: Set[str], pod_networks: Iterable[Range]) -> None:
    names = {link.index: link.name for link in host.links()}
    for network in pod_networks:
        if network.version == 4:
            _check_addresses(names, own, network, host.addresses())
            _check_routes(names, own, network, host.routes())
        else:
            _check_addresses(names, own, network, host.addresses6())
            _check_routes(names, own, network, host.routes6())


def _check_addresses(
    names: dict[int, str], own: Set[str], network: Range, found: Iterable[tuple[int, IPv4Interface | IPv6Interface]]
) -> None:
    for index, held in found:
        if names.get(index) not in own and held.ip in network:
            raise HostConflict(
                f"the node's pod range {network} holds {held.ip}, the address of {names.get(index, index)} on "
                "this host: choose another range with SLIPWAY_POD_NETWORK"
            )


def _check_routes(names: dict[int, str], own: Set[str], network: Range, found: Iterable[Route | Route6]) -> None:
    for route in found:
        device = names.get(route.device, str(route.device))
        narrower = ranges.contains(network, route.destination)
        wider = ranges.contains(route.destination, network)
        if device in own or not (narrower or wider) or route.destination.prefixlen == 0:
            continue
        # A wider route by a gateway still leads to all but our range; one to a link means that hosts are there.
        if narrower or route.gateway is None:
            raise HostConflict(
                f"the node's pod range {network} overlaps this host's route {route.destination} on {device}: remove "
                "the route or choose another range with SLIPWAY_POD_NETWORK"
            )


def _outward_mtu(host: Netlink) -> int:
    """Of the device with the default route: what leaves the bridge there must not be too large for it."""
    devices = {route.device for route in host.routes() if route.destination.prefixlen == 0}
    sizes = [link.mtu for link in host.links() if link.index in devices]
    return min(sizes, default=DEFAULT_MTU)


def _settings(name: str, families: set[int]) -> None:
    if 4 in families:
        sysctl.put("net/ipv4/ip_forward", "1")
        sysctl.put(
            f"net/ipv4/conf/{name}/route_localnet", "1"
        )  # 127.0.0.1:hostPort; guarded by the table's first chain
        # Pods reach each other through us by design; a redirect would tell them not to.
        sysctl.put(f"net/ipv4/conf/{name}/send_redirects", "0")
    if 6 in families:
        _forward6()
        sysctl.put(f"net/ipv6/conf/{name}/accept_ra", "0")
        # Nobody else gives addresses here: without the second or two of asking around, in which pods are not answered.
        sysctl.put(f"net/ipv6/conf/{name}/accept_dad", "0")
    sysctl.put(f"net/ipv6/conf/{name}/disable_ipv6", "0" if 6 in families else "1")


def _forward6() -> None:
    """A host that forwards ignores router advertisements, and would lose a default route that it has from one: where it takes
    them now it goes on doing so (accept_ra=2, ip-sysctl.rst)."""
    if sysctl.get("net/ipv6/conf/all/forwarding") == "1":
        return
    for setting in (sysctl.ROOT / "net/ipv6/conf").glob("*/accept_ra"):
        path = str(setting.relative_to(sysctl.ROOT))
        if sysctl.get(path) == "1":
            sysctl.put(path, "2")
    sysctl.put("net/ipv6/conf/all/forwarding", "1")


def has_ipv6() -> bool:
    """Whether the kernel has it at all."""
    return Path("/proc/net/if_inet6").exists()


def remove(name: str) -> None:
    with Netlink() as host:
        link = host.link(name)
        if link is not None:
            host.delete(link.index)


def delete_link(name: str) -> None:
    with Netlink() as host:
        link = host.link(name)
        if link is not None:
            with contextlib.suppress(OSError):
                host.delete(link.index)


def ports_of(name: str) -> set[str]:
    """Names of the interfaces on the bridge ``name``."""
    with Netlink() as host:
        links = host.links()
    indexes = {link.index for link in links if link.name == name}
    return {link.name for link in links if link.master in indexes}


def node_addresses() -> list[str]:
    """The host's IPv4 addresses, that of the default route's device first; none of loopback."""
    with Netlink() as host:
        outward = {route.device for route in host.routes() if route.destination.prefixlen == 0}
        addresses = [
            (index not in outward, index, str(at.ip)) for index, at in host.addresses() if not at.ip.is_loopback
        ]
    return [address for _, _, address in sorted(addresses)]
