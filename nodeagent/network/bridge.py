"""The instance's bridge, and the checks that its range is nobody else's on this host. Blocking, for a thread."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

from nodeagent.errors import HostConflict
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Link, Netlink

DEFAULT_MTU = 1500


@dataclass(frozen=True)
class Bridge:
    index: int
    name: str
    interface: IPv4Interface
    mtu: int


def ensure(name: str, pod_network: IPv4Network, *, overhead: int = 0, tunnel: str = "") -> Bridge:
    """Make the bridge with the first address of the range, or find it. Raises `HostConflict`.

    ``overhead``: bytes that a packet may grow by on its way to other nodes. ``tunnel``: the overlay's device, which an agent
    that starts again finds, with an address of the range.
    """
    interface = IPv4Interface((pod_network[1], pod_network.prefixlen))
    try:
        with Netlink() as host:
            _check_conflicts(host, name, pod_network, tunnel)
            mtu = _outward_mtu(host) - overhead
            link = host.link(name)
            if link is None:
                link = _make(host, name, mtu)
            host.add_address(link.index, interface)
            host.set_up(link.index, mtu=mtu)
    except OSError as error:
        raise NetworkError(f"cannot set up the bridge {name}: {error.strerror}") from error
    _settings(name)
    return Bridge(link.index, name, interface, mtu)


def _make(host: Netlink, name: str, mtu: int) -> Link:
    host.add_bridge(name, mtu=mtu)
    link = host.link(name)
    assert link is not None  # noqa: S101
    # Without an address of its own, a bridge takes the lowest of its ports: it would change as pods come and go.
    host.set_hardware_address(link.index, b"\x0a\x58" + bytes.fromhex(name[-8:])[:4])
    return link


def _check_conflicts(host: Netlink, bridge: str, pod_network: IPv4Network, tunnel: str) -> None:
    names = {link.index: link.name for link in host.links()}
    for index, interface in host.addresses():
        if names.get(index) not in (bridge, tunnel) and interface.ip in pod_network:
            raise HostConflict(
                f"the node's pod range {pod_network} holds {interface.ip}, the address of {names.get(index, index)} on "
                "this host: choose another range with SLIPWAY_POD_NETWORK"
            )
    for route in host.routes():
        device = names.get(route.device, str(route.device))
        narrower = route.destination.subnet_of(pod_network)
        if (
            device in (bridge, tunnel)
            or not route.destination.overlaps(pod_network)
            or route.destination.prefixlen == 0
        ):
            continue
        # A wider route by a gateway still leads to all but our range; one to a link means that hosts are there.
        if narrower or route.gateway is None:
            raise HostConflict(
                f"the node's pod range {pod_network} overlaps this host's route {route.destination} on {device}: remove "
                "the route or choose another range with SLIPWAY_POD_NETWORK"
            )


def _outward_mtu(host: Netlink) -> int:
    """Of the device with the default route: what leaves the bridge there must not be too large for it."""
    devices = {route.device for route in host.routes() if route.destination.prefixlen == 0}
    sizes = [link.mtu for link in host.links() if link.index in devices]
    return min(sizes, default=DEFAULT_MTU)


def _settings(name: str) -> None:
    values = {
        "net/ipv4/ip_forward": "1",
        f"net/ipv4/conf/{name}/route_localnet": "1",  # 127.0.0.1:hostPort; guarded by the table's first chain
        f"net/ipv6/conf/{name}/disable_ipv6": "1",
        # Pods reach each other through us by design; a redirect would tell them not to.
        f"net/ipv4/conf/{name}/send_redirects": "0",
    }
    for path, value in values.items():
        file = Path("/proc/sys", path)
        with contextlib.suppress(FileNotFoundError):
            if file.read_text().strip() != value:
                try:
                    file.write_text(value)
                except OSError as error:
                    raise NetworkError(f"cannot set {path.replace('/', '.')} to {value}: {error.strerror}") from error


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
