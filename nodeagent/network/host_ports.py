"""Published ports of pods (``hostPort``): what each contributes to the table of services, and who else has the port.

A pod's ports are one `Program`, entered and taken away as a service's is: keys of two maps, that of ports at one address of the
host and that of ports at all of them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from nodeagent.errors import HostConflict
from nodeagent.network import families
from nodeagent.network.errors import NetworkError
from nodeagent.network.service_state import Name, Program, UdpPort
from nodeagent.network.service_table import HAIRPIN, HOST_PORTS, HOST_PORTS_EVERYWHERE
from schema.core.pod import Pod

_SOCKETS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class PublishedPort:
    protocol: str
    """``tcp``, ``udp`` or ``sctp``."""
    host_ip: str
    """Empty: every address of the host."""
    host_port: int
    container_port: int

    def overlaps(self, other: PublishedPort) -> bool:
        same = (self.protocol, self.host_port) == (other.protocol, other.host_port)
        return same and (not self.host_ip or not other.host_ip or self.host_ip == other.host_ip)

    def __str__(self) -> str:
        host = f"[{self.host_ip}]" if ":" in self.host_ip else self.host_ip or "*"
        return f"{host}:{self.host_port}/{self.protocol}"


def of_pod(pod: Pod) -> tuple[PublishedPort, ...]:
    if pod.spec.host_network:
        return ()  # they simply listen
    found = [
        PublishedPort((port.protocol or "TCP").lower(), _address(port.host_ip), port.host_port, port.container_port)
        for container in [*pod.spec.init_containers, *pod.spec.containers]
        for port in container.ports
        if port.host_port
    ]
    return tuple(dict.fromkeys(found))


def _address(host_ip: str) -> str:
    """As the kernel writes it; empty for all."""
    return "" if host_ip in _ANYWHERE else str(ip_address(host_ip))


def owner(pod_uid: str) -> Name:
    """In the place of a service's name: no service has such a namespace."""
    return "", pod_uid


def program(addresses: Iterable[str], ports: Sequence[PublishedPort]) -> Program:
    """To the pod's ``addresses``, each port in the families that it is published in."""
    made = Program()
    for address in addresses:
        family = families.of(ip_address(address).version)
        made.elements[family.name(HAIRPIN), f"{address} . {address}"] = ""
        for port in ports:
            if port.host_ip and not family.has(port.host_ip):
                continue
            target = f"{address} . {port.container_port}"
            key = f"{port.protocol} . {port.host_port}"
            if port.host_ip:
                made.elements[family.name(HOST_PORTS), f"{port.host_ip} . {key}"] = target
            else:
                made.elements[family.name(HOST_PORTS_EVERYWHERE), key] = target
            if port.protocol == "udp":
                at = frozenset([port.host_ip] if port.host_ip else [])
                led = frozenset([(address, port.container_port)])
                made.udp.append(UdpPort(at, port.host_port, led, family.version))
    return made


def check_free(uid: str, ports: Iterable[PublishedPort], others: Mapping[str, Sequence[PublishedPort]]) -> None:
    """Raises `HostConflict` when a port is another pod's or a process of the host listens on it."""
    for port in ports:
        for other, taken in others.items():
            if other != uid and any(port.overlaps(one) for one in taken):
                raise HostConflict(f"hostPort {port} is already published by another pod of this node ({other})")
        if port.protocol in _SOCKETS:
            for host in [port.host_ip] if port.host_ip else ["0.0.0.0", "::"]:  # noqa: S104 - closed at once
                _probe(port, host)


def _probe(port: PublishedPort, host: str) -> None:
    kind = _SOCKETS[port.protocol]
    try:
        probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    except OSError:  # a kernel without IPv6
        return
    with probe:
        # TCP: only a listener stands in the way, connections that linger do not.
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in host:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((host, port.host_port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise HostConflict(f"hostPort {port}: a process of this host already listens there") from error
            if error.errno == errno.EADDRNOTAVAIL:
                if not port.host_ip:
                    return  # all addresses of a family of which the host has none
                raise HostConflict(f"hostPort {port}: this host has no address {port.host_ip}") from error
            raise NetworkError(f"hostPort {port}: {error.strerror}") from error
