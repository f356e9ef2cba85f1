"""Forgetting connections that lead to endpoints which are gone. Blocking, for a thread.

TCP connections end by themselves, and while a pod is being ended theirs are to go on. UDP has no end: a client that keeps
its port would be led to the old endpoint for as long as it sends, and one that sent before there was an endpoint to nowhere.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nodeagent.network import families
from nodeagent.network.families import Family
from nodeagent.network.service_state import UdpPort

log = logging.getLogger(__name__)


def is_stale(port: UdpPort, *, address: str, number: int, led_to: tuple[str, int]) -> bool:
    """Whether a flow to ``address:number`` that was led to ``led_to`` would be led elsewhere now. For a node port, where
    any address of the node may have been asked, only flows that were translated are ours."""
    if number != port.port or led_to in port.endpoints:
        return False
    if port.addresses:
        return address in port.addresses
    return led_to[0] != address


def forget(ports: Iterable[UdpPort]) -> int:
    """Delete the stale flows of these ports; how many there were."""
    wanted: dict[Family, dict[int, list[UdpPort]]] = {}
    for port in ports:
        wanted.setdefault(families.of(port.version), {}).setdefault(port.port, []).append(port)
    return sum(_forget(family, candidates) for family, candidates in wanted.items())


def _forget(family: Family, wanted: Mapping[int, Sequence[UdpPort]]) -> int:
    # Imported late: most nodes have no service with UDP but DNS, whose endpoints hardly change.
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    gone = 0
    connections: Any = NFCTSocket(nfgen_family=family.socket)  # type: ignore[no-untyped-call]
    try:
        for number, candidates in wanted.items():
            asked: Any = NFCTAttrTuple(family=family.socket, proto=socket.IPPROTO_UDP, dport=number)  # type: ignore[no-untyped-call]
            for entry in list(connections.dump(tuple_orig=asked)):
                original, reply = (
                    NFCTAttrTuple.from_netlink(family.socket, entry.get_attr(name))  # type: ignore[no-untyped-call]
                    for name in ("CTA_TUPLE_ORIG", "CTA_TUPLE_REPLY")
                )
                led_to = (reply.saddr, reply.sport)
                if original.proto != socket.IPPROTO_UDP or not any(
                    is_stale(each, address=original.daddr, number=original.dport, led_to=led_to) for each in candidates
                ):
                    continue
                try:
                    connections.entry("del", tuple_orig=original)
                    gone += 1
                except NetlinkError as error:  # it ended meanwhile
                    log.debug("%s:%s: %s", original.daddr, original.dport, error)
    finally:
        connections.close()
    return gone
