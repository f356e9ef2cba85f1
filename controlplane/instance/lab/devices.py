"""The kernel's side of a lab: bridge, veth pairs, network namespaces, queueing. By pyroute2; OSError is the kernel's no.

pyroute2 runs an event loop inside each call, so this is for programs without one (`manage.py`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any, TypeVar

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import TC_H_ROOT

from controlplane.instance.lab.errors import LabError, Unsupported
from controlplane.instance.lab.plan import Used
from controlplane.instance.lab.state import Link

_TABLE_MAIN, _TYPE_UNICAST = 254, 1
_LOOPBACK = 1
_FIRST, _CLASS, _SECOND = 0x10000, 0x10001, 0x20000
"""Queueing disciplines 1: and 2:, and the class 1:1 where the second stands below the first."""
INSIDE = "eth0"
"""The node's own interface, in its namespace."""
_T = TypeVar("_T")


def _asked(request: Callable[..., _T], *words: Any, **fields: Any) -> _T:
    """pyroute2's own exception is no OSError; its code is the kernel's number."""
    try:
        return request(*words, **fields)
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error


@dataclass(frozen=True)
class Port:
    """The two ends of a node's cable."""

    host_end: str
    namespace: Path
    address: IPv4Interface
    gateway: IPv4Address
    hardware_address: str


class Devices:
    """Of one network namespace: the host's, or the one pinned at a path."""

    def __init__(self, namespace: Path | None = None) -> None:
        options = {"netns": str(namespace)} if namespace is not None else {}
        self._route: Any = IPRoute(**options)  # type: ignore[no-untyped-call] # made at run time, which types cannot see

    def close(self) -> None:
        self._route.close()

    def index(self, name: str) -> int | None:
        try:
            return int(_asked(self._route.link, "get", ifname=name)[0]["index"])
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise

    def used(self, *, but: str) -> list[Used]:
        """Ranges of this host's addresses and routes, without the default route and those of the device ``but``."""
        names = {link["index"]: str(link.get("IFLA_IFNAME")) for link in _asked(self._route.get_links)}
        found = []
        for each in _asked(self._route.get_addr, family=socket.AF_INET):
            text = f"{each.get('IFA_LOCAL') or each.get('IFA_ADDRESS')}/{each['prefixlen']}"
            found.append(Used(IPv4Interface(text).network, names.get(each["index"], "?")))
        for each in _asked(self._route.get_routes, family=socket.AF_INET, table=_TABLE_MAIN):
            if each["type"] == _TYPE_UNICAST and each.get("RTA_DST"):
                network = IPv4Network(f"{each.get('RTA_DST')}/{each['dst_len']}", strict=False)
                found.append(Used(network, names.get(each.get("RTA_OIF"), "?")))
        return [one for one in found if one.device != but and one.network.prefixlen > 0]

    def ensure_bridge(self, name: str, interface: IPv4Interface, hardware_address: str) -> int:
        index = self.index(name)
        if index is None:
            _asked(self._route.link, "add", ifname=name, kind="bridge", address=hardware_address)
            index = self.index(name)
        assert index is not None  # noqa: S101
        self._address(index, interface)
        _asked(self._route.link, "set", index=index, state="up")
        return index

    def ensure_port(self, bridge: int, port: Port) -> None:
        """The pair of interfaces: one end on the bridge, the other as the node's only interface."""
        if self.index(port.host_end) is None:
            with port.namespace.open() as namespace:
                inside = {"ifname": INSIDE, "net_ns_fd": namespace.fileno(), "address": port.hardware_address}
                _asked(
                    self._route.link, "add", ifname=port.host_end, kind="veth", master=bridge, state="up", peer=inside
                )
        with opened(port.namespace) as own:
            own.set_up_inside(port)

    def set_up_inside(self, port: Port) -> None:
        _asked(self._route.link, "set", index=_LOOPBACK, state="up")
        index = self.index(INSIDE)
        if index is None:
            raise LabError(f"{port.namespace.name}: its interface is gone; `manage.py lab remove` it and add it again")
        self._address(index, port.address)
        _asked(self._route.link, "set", index=index, state="up")
        _asked(self._route.route, "replace", dst="default", gateway=str(port.gateway))

    def shape(self, name: str, *, latency_ms: float, bandwidth_bits: int) -> None:
        """What leaves by the interface is delayed, and held to the bandwidth. Replaces what was there."""
        index = self.index(name)
        if index is None:
            raise LabError(f"the interface {name} is gone")
        with contextlib.suppress(FileNotFoundError):  # nothing was there but the kernel's default
            try:
                _asked(self._route.tc, "del", index=index, parent=TC_H_ROOT)
            except OSError as error:
                if error.errno != errno.EINVAL:  # likewise, by older kernels
                    raise
        if latency_ms:
            self._delay(index, latency_ms)
        if bandwidth_bits:
            below = {"parent": _CLASS} if latency_ms else {}
            bucket = max(bandwidth_bits // 8 // 250, 16 * 1024)  # bytes in a timer's tick, and a few large packets
            rate = f"{bandwidth_bits}bit"
            _asked(self._route.tc, "add", "tbf", index, _SECOND, rate=rate, burst=bucket, latency="50ms", **below)

    def _delay(self, index: int, latency_ms: float) -> None:
        try:
            # The queue must hold what is on its way, at whatever rate.
            _asked(self._route.tc, "add", "netem", index, _FIRST, delay=round(latency_ms * 1000), limit=100_000)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            raise Unsupported(
                "this kernel cannot delay packets: it has no netem (CONFIG_NET_SCH_NETEM, module sch_netem); loss and "
                "bandwidth work without"
            ) from None

    def try_delay(self) -> None:
        """On the loopback of a namespace that is thrown away. Raises `Unsupported`."""
        self._delay(_LOOPBACK, 1.0)

    def delete(self, name: str) -> None:
        index = self.index(name)
        if index is not None:
            with contextlib.suppress(OSError):
                _asked(self._route.link, "del", index=index)

    def _address(self, index: int, interface: IPv4Interface) -> None:
        address = str(interface.ip)
        length = interface.network.prefixlen
        _asked(self._route.addr, "replace", index=index, address=address, local=address, prefixlen=length)


@contextlib.contextmanager
def opened(namespace: Path | None = None) -> Iterator[Devices]:
    devices = Devices(namespace)
    try:
        yield devices
    finally:
        devices.close()


def shape(port: Port, link: Link) -> None:
    """Raises `Unsupported`. Delay on the node's end only; bandwidth on both."""
    with opened(port.namespace) as own:
        own.shape(INSIDE, latency_ms=link.latency_ms, bandwidth_bits=link.bandwidth_bits)
    with opened() as host:
        host.shape(port.host_end, latency_ms=0, bandwidth_bits=link.bandwidth_bits)


# --- namespaces ---------------------------------------------------------------------------------------------------


def is_pinned(path: Path) -> bool:
    """A pinned namespace is a file of the kernel's nsfs; what is left after a reboot is an empty file."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def ensure_namespace(path: Path) -> bool:
    """Whether it had to be made."""
    if is_pinned(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch()
    _run("unshare", f"--net={path}", "true")
    return True


def check_delay(scratch: Path) -> None:
    """Whether this kernel can delay packets, tried in a namespace pinned at ``scratch`` meanwhile. Raises `Unsupported`."""
    ensure_namespace(scratch)
    try:
        with opened(scratch) as inside:
            inside.try_delay()
    finally:
        remove_namespace(scratch)


def remove_namespace(path: Path) -> None:
    """Let go of it. The kernel removes it, and the interfaces in it, after its last process."""
    while is_pinned(path):
        _run("umount", "--lazy", str(path))
    path.unlink(missing_ok=True)


def _run(*command: str, stdin: str | None = None) -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"{command[0]}: {' '.join(done.stderr.split())}")


def load_rules(text: str) -> None:
    _run("nft", "-f", "-", stdin=text)


def forward_packets() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
