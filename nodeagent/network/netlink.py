"""What pod networking asks of rtnetlink, through pyroute2: synchronous, typed, and with OSError for the kernel's refusals.

A `Netlink` belongs to the network namespace of the thread that made it. It must be used in a thread without a running
event loop, because pyroute2 runs one of its own inside each call.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from types import TracebackType
from typing import Any, Self, TypeVar

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import TC_H_ROOT

_TABLE_MAIN, _TYPE_UNICAST = 254, 1
_PROTOCOL = 83
"""Marks routes of ours (rtnetlink(7): numbers above 4 are free for administrators and daemons)."""
_ONLINK = 4
_NUD_PERMANENT = 0x80
_IFF_UP = 1
_IFA_F_NODAD = 2
_INGRESS, _ETH_P_ALL = 0xFFFF0000, 0x0003

_T = TypeVar("_T")


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    mtu: int
    up: bool
    master: int
    group: int = 0


@dataclass(frozen=True)
class Route:
    destination: IPv4Network
    device: int
    gateway: IPv4Address | None


@dataclass(frozen=True)
class Route6:
    destination: IPv6Network
    device: int
    gateway: IPv6Address | None


@dataclass(frozen=True)
class OwnRoute:
    """To pods of another node."""

    destination: IPv4Network | IPv6Network
    gateway: IPv4Address | IPv6Address
    device: int


@dataclass(frozen=True)
class Neighbour:
    address: str
    """Of a neighbour: its IP address; of a forwarding entry: of the node behind which the hardware address is."""
    hardware: str


def _asked(request: Callable[..., _T], *words: Any, **fields: Any) -> _T:
    """pyroute2's own exception is no OSError; its code is the kernel's number."""
    try:
        return request(*words, **fields)
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


class Netlink:
    """Every method raises OSError with the kernel's number."""

    def __init__(self) -> None:
        self._route: Any = IPRoute()  # type: ignore[no-untyped-call] # its requests are made at run time, which types cannot see

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._route.close()

    # --- links ---------------------------------------------------------------------------------------------------

    def link(self, name: str) -> Link | None:
        try:
            answers = self._link("get", ifname=name)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return _parse_link(answers[0])

    def links(self) -> list[Link]:
        return [_parse_link(answer) for answer in _asked(self._route.get_links)]

    def add_bridge(self, name: str, *, mtu: int) -> None:
        self._link("add", ifname=name, kind="bridge", mtu=mtu)

    def set_up(self, index: int, *, mtu: int | None = None) -> None:
        self._link("set", index=index, state="up", **({"mtu": mtu} if mtu else {}))

    def set_hardware_address(self, index: int, address: bytes) -> None:
        self._link("set", index=index, address=address.hex(":"))

    def hardware_address(self, index: int) -> bytes:
        """Six bytes; none where the device has no such address."""
        text: str = self._link("get", index=index)[0].get("IFLA_ADDRESS") or ""
        return bytes.fromhex(text.replace(":", ""))

    def delete(self, index: int) -> None:
        try:
            self._link("del", index=index)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def _link(self, command: str, **fields: Any) -> Any:
        return _asked(self._route.link, command, **fields)

    # --- VXLAN ---------------------------------------------------------------------------------------------------

    def add_vxlan(self, name: str, *, vni: int, local: IPv4Address, port: int, mtu: int) -> None:
        self._link(
            "add",
            ifname=name,
            kind="vxlan",
            vxlan_id=vni,
            vxlan_local=str(local),
            vxlan_port=port,
            vxlan_learning=0,
            mtu=mtu,
        )

    def add_wireguard(self, name: str) -> None:
        self._link("add", ifname=name, kind="wireguard")

    def vxlan(self, name: str) -> tuple[int, str, int]:
        """(vni, local address, port) of a VXLAN device."""
        info = self._link("get", ifname=name)[0].get("IFLA_LINKINFO")
        data = info.get("IFLA_INFO_DATA") if info and info.get("IFLA_INFO_KIND") == "vxlan" else None
        if not data:
            return 0, "", 0
        return data.get("IFLA_VXLAN_ID") or 0, data.get("IFLA_VXLAN_LOCAL") or "", data.get("IFLA_VXLAN_PORT") or 0

    def neighbours(self, device: int) -> set[Neighbour]:
        """Of both families: those that somebody has entered for good."""
        found = [
            each
            for family in (socket.AF_INET, socket.AF_INET6)
            for each in _asked(self._route.get_neighbours, family=family, ifindex=device)
        ]
        return {
            Neighbour(each.get("NDA_DST"), each.get("NDA_LLADDR") or "")
            for each in found
            if each["state"] == _NUD_PERMANENT
        }

    def replace_neighbour(self, device: int, entry: Neighbour) -> None:
        _asked(
            self._route.neigh, "replace", dst=entry.address, lladdr=entry.hardware, ifindex=device, state="permanent"
        )

    def delete_neighbour(self, device: int, entry: Neighbour) -> None:
        _asked(self._route.neigh, "del", dst=entry.address, ifindex=device)

    def forwarding(self, device: int) -> set[Neighbour]:
        found: Iterable[Any] = _asked(self._route.fdb, "dump", ifindex=device)
        return {Neighbour(each.get("NDA_DST"), each.get("NDA_LLADDR")) for each in found if each.get("NDA_DST")}

    def add_forwarding(self, device: int, entry: Neighbour) -> None:
        _asked(self._route.fdb, "append", ifindex=device, lladdr=entry.hardware, dst=entry.address)

    def delete_forwarding(self, device: int, entry: Neighbour) -> None:
        _asked(self._route.fdb, "del", ifindex=device, lladdr=entry.hardware, dst=entry.address)

    # --- addresses and routes ------------------------------------------------------------------------------------

    def add_address(self, index: int, interface: IPv4Interface | IPv6Interface) -> None:
        address, length = str(interface.ip), interface.network.prefixlen
        # IPv6: good at once, not after a second of asking around: nobody else gives addresses of our ranges.
        # IPv4: only the address itself; pyroute2 would add the broadcast address of its prefix.
        extra = {"flags": _IFA_F_NODAD} if interface.version == 6 else {"local": address}
        _asked(self._route.addr, "replace", index=index, address=address, prefixlen=length, **extra)

    def delete_address(self, index: int, interface: IPv4Interface | IPv6Interface) -> None:
        address, length = str(interface.ip), interface.network.prefixlen
        local = {"local": address} if interface.version == 4 else {}
        _asked(self._route.addr, "del", index=index, address=address, prefixlen=length, **local)

    def addresses(self) -> list[tuple[int, IPv4Interface]]:
        """(link index, address with its prefix) of every IPv4 address."""
        found: Iterable[Any] = _asked(self._route.get_addr, family=socket.AF_INET)
        return [
            (each["index"], IPv4Interface(f"{each.get('IFA_LOCAL') or each.get('IFA_ADDRESS')}/{each['prefixlen']}"))
            for each in found
        ]

    def addresses6(self) -> list[tuple[int, IPv6Interface]]:
        """As `addresses`, of IPv6."""
        found: Iterable[Any] = _asked(self._route.get_addr, family=socket.AF_INET6)
        return [(each["index"], IPv6Interface(f"{each.get('IFA_ADDRESS')}/{each['prefixlen']}")) for each in found]

    def own_routes(self, metric: int) -> set[OwnRoute]:
        """Those that `replace_own_route` has made with this metric."""
        found = [
            (each, parse)
            for family, parse in ((socket.AF_INET, _parse_route), (socket.AF_INET6, _parse_route6))
            for each in _asked(self._route.get_routes, family=family, table=_TABLE_MAIN)
        ]
        return {
            OwnRoute(route.destination, route.gateway, route.device)
            for each, parse in found
            if each["proto"] == _PROTOCOL and each.get("RTA_PRIORITY") == metric
            for route in [parse(each)]
            if route.gateway is not None
        }

    def replace_own_route(self, route: OwnRoute, metric: int) -> None:
        self._own_route("replace", route, metric)

    def delete_own_route(self, route: OwnRoute, metric: int) -> None:
        try:
            self._own_route("del", route, metric)
        except OSError as error:
            if error.errno != errno.ESRCH:
                raise

    def _own_route(self, command: str, route: OwnRoute, metric: int) -> None:
        _asked(
            self._route.route,
            command,
            family=socket.AF_INET if route.destination.version == 4 else socket.AF_INET6,
            dst=str(route.destination),
            gateway=str(route.gateway),
            oif=route.device,
            proto=_PROTOCOL,
            priority=metric,
            flags=_ONLINK,
        )

    def replace_link_route(self, destination: IPv4Network | IPv6Network, device: int) -> None:
        """To hosts that are on the device's own segment; it goes with the device."""
        family = socket.AF_INET if destination.version == 4 else socket.AF_INET6
        _asked(self._route.route, "replace", family=family, dst=str(destination), oif=device, proto=_PROTOCOL)

    def routes(self) -> list[Route]:
        """IPv4 routes of the main table."""
        found: Iterable[Any] = _asked(self._route.get_routes, family=socket.AF_INET, table=_TABLE_MAIN)
        return [_parse_route(each) for each in found if each["type"] == _TYPE_UNICAST]

    def routes6(self) -> list[Route6]:
        """As `routes`, of IPv6."""
        found: Iterable[Any] = _asked(self._route.get_routes, family=socket.AF_INET6, table=_TABLE_MAIN)
        return [_parse_route6(each) for each in found if each["type"] == _TYPE_UNICAST]

    # --- traffic control -----------------------------------------------------------------------------------------

    def add_ifb(self, name: str, *, mtu: int, group: int) -> None:
        self._link("add", ifname=name, kind="ifb", mtu=mtu, group=group)

    def hold(self, index: int, *, rate: int, burst: int) -> None:
        """What leaves by the link waits in a token bucket of ``burst`` bytes that fills with ``rate`` bytes a second."""
        self._traffic("replace", "tbf", index, parent=TC_H_ROOT, rate=f"{8 * rate}bit", burst=burst, latency="50ms")

    def lead_ingress(self, index: int, *, through: int) -> None:
        """What arrives by the link ``index`` leaves by the link ``through`` first."""
        self._traffic("del", "ingress", index, missing_ok=True)
        self._traffic("add", "ingress", index)
        redirect = {"kind": "mirred", "direction": "egress", "action": "redirect", "ifindex": through}
        self._traffic(
            "add-filter",
            "u32",
            index,
            parent=_INGRESS,
            prio=1,
            protocol=_ETH_P_ALL,
            target=0x10000,
            keys=["0x0/0x0+0"],
            action=redirect,
        )

    def _traffic(self, command: str, kind: str, index: int, *, missing_ok: bool = False, **fields: Any) -> None:
        try:
            _asked(self._route.tc, command, kind, index, **fields)
        except OSError as error:
            if not missing_ok or error.errno not in (errno.ENOENT, errno.EINVAL):
                raise


def _parse_link(answer: Any) -> Link:
    return Link(
        answer["index"],
        answer.get("IFLA_IFNAME") or "",
        answer.get("IFLA_MTU") or 0,
        bool(answer["flags"] & _IFF_UP),
        answer.get("IFLA_MASTER") or 0,
        answer.get("IFLA_GROUP") or 0,
    )


def _parse_route(answer: Any) -> Route:
    destination, gateway = answer.get("RTA_DST") or "0.0.0.0", answer.get("RTA_GATEWAY")  # noqa: S104 - the default route
    network = IPv4Network(f"{destination}/{answer['dst_len']}", strict=False)
    return Route(network, answer.get("RTA_OIF") or 0, IPv4Address(gateway) if gateway else None)


def _parse_route6(answer: Any) -> Route6:
    gateway = answer.get("RTA_GATEWAY")
    network = IPv6Network(f"{answer.get('RTA_DST') or '::'}/{answer['dst_len']}", strict=False)
    return Route6(network, answer.get("RTA_OIF") or 0, IPv6Address(gateway) if gateway else None)
