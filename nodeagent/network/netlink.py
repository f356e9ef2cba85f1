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
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import TracebackType
from typing import Any, Self, TypeVar

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

_TABLE_MAIN, _TYPE_UNICAST = 254, 1
_PROTOCOL = 83
"""Marks routes of ours (rtnetlink(7): numbers above 4 are free for administrators and daemons)."""
_ONLINK = 4
_IFF_UP = 1
_SCOPE_LINK = 253

_T = TypeVar("_T")


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    mtu: int
    up: bool
    master: int


@dataclass(frozen=True)
class Route:
    destination: IPv4Network
    device: int
    gateway: IPv4Address | None


@dataclass(frozen=True)
class OwnRoute:
    """To pods of another node."""

    destination: IPv4Network
    gateway: IPv4Address
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

    def add_veth(self, name: str, *, master: int, mtu: int, peer: str, peer_namespace: int) -> None:
        """A pair: ``name`` here, up and on the bridge ``master``; ``peer`` born in the namespace of that descriptor."""
        inside = {"ifname": peer, "mtu": mtu, "net_ns_fd": peer_namespace}
        self._link("add", ifname=name, kind="veth", mtu=mtu, master=master, state="up", peer=inside)

    def set_up(self, index: int, *, mtu: int | None = None) -> None:
        self._link("set", index=index, state="up", **({"mtu": mtu} if mtu else {}))

    def set_hairpin(self, index: int) -> None:
        """Let the bridge send a packet back by the port that it came from.

        A pod that connects to its own published port needs it where br_netfilter is loaded (Docker loads it): the
        packet is then translated within the bridge.
        """
        _asked(self._route.brport, "set", index=index, mode=1)

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

    def vxlan(self, name: str) -> tuple[int, str, int]:
        """(vni, local address, port) of a VXLAN device."""
        info = self._link("get", ifname=name)[0].get("IFLA_LINKINFO")
        data = info.get("IFLA_INFO_DATA") if info and info.get("IFLA_INFO_KIND") == "vxlan" else None
        if not data:
            return 0, "", 0
        return data.get("IFLA_VXLAN_ID") or 0, data.get("IFLA_VXLAN_LOCAL") or "", data.get("IFLA_VXLAN_PORT") or 0

    def neighbours(self, device: int) -> set[Neighbour]:
        found: Iterable[Any] = _asked(self._route.get_neighbours, family=socket.AF_INET, ifindex=device)
        return {Neighbour(each.get("NDA_DST"), each.get("NDA_LLADDR") or "") for each in found}

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

    def add_address(self, index: int, interface: IPv4Interface) -> None:
        address = str(interface.ip)
        # Only the address itself: pyroute2 would add the broadcast address of its prefix.
        _asked(
            self._route.addr,
            "replace",
            index=index,
            address=address,
            local=address,
            prefixlen=interface.network.prefixlen,
        )

    def delete_address(self, index: int, interface: IPv4Interface) -> None:
        address = str(interface.ip)
        _asked(
            self._route.addr, "del", index=index, address=address, local=address, prefixlen=interface.network.prefixlen
        )

    def addresses(self) -> list[tuple[int, IPv4Interface]]:
        """(link index, address with its prefix) of every IPv4 address."""
        found: Iterable[Any] = _asked(self._route.get_addr, family=socket.AF_INET)
        return [
            (each["index"], IPv4Interface(f"{each.get('IFA_LOCAL') or each.get('IFA_ADDRESS')}/{each['prefixlen']}"))
            for each in found
        ]

    def add_default_route(self, gateway: IPv4Address, device: int) -> None:
        """By a gateway that the device leads to, whatever the device's own address covers."""
        _asked(self._route.route, "replace", dst=f"{gateway}/32", oif=device, scope=_SCOPE_LINK)
        _asked(self._route.route, "replace", dst="default", gateway=str(gateway))

    def own_routes(self, metric: int) -> set[OwnRoute]:
        """Those that `replace_own_route` has made with this metric."""
        found: Iterable[Any] = _asked(self._route.get_routes, family=socket.AF_INET, table=_TABLE_MAIN)
        return {
            OwnRoute(route.destination, route.gateway, route.device)
            for each in found
            if each["proto"] == _PROTOCOL and each.get("RTA_PRIORITY") == metric
            for route in [_parse_route(each)]
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
            dst=str(route.destination),
            gateway=str(route.gateway),
            oif=route.device,
            proto=_PROTOCOL,
            priority=metric,
            flags=_ONLINK,
        )

    def routes(self) -> list[Route]:
        """IPv4 routes of the main table."""
        found: Iterable[Any] = _asked(self._route.get_routes, family=socket.AF_INET, table=_TABLE_MAIN)
        return [_parse_route(each) for each in found if each["type"] == _TYPE_UNICAST]


def _parse_link(answer: Any) -> Link:
    return Link(
        answer["index"],
        answer.get("IFLA_IFNAME") or "",
        answer.get("IFLA_MTU") or 0,
        bool(answer["flags"] & _IFF_UP),
        answer.get("IFLA_MASTER") or 0,
    )


def _parse_route(answer: Any) -> Route:
    destination, gateway = answer.get("RTA_DST") or "0.0.0.0", answer.get("RTA_GATEWAY")  # noqa: S104 - the default route
    network = IPv4Network(f"{destination}/{answer['dst_len']}", strict=False)
    return Route(network, answer.get("RTA_OIF") or 0, IPv4Address(gateway) if gateway else None)
