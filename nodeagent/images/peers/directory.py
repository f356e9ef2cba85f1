"""The nodes that serve layers, from the cluster view. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schema.base import Wire


@dataclass(frozen=True)
class Peer:
    node: str
    addresses: tuple[str, ...]
    port: int
    """0 for one that only asks: it cannot be reached, or does not want to be."""
    certificate: bytes
    """DER; whoever cannot show it is somebody else."""


class Directory:
    def __init__(self, own: str) -> None:
        self.own = own
        self._peers: dict[str, Peer] = {}
        self._by_certificate: dict[bytes, str] = {}

    def replace(self, nodes: Iterable[Wire]) -> None:
        found = [peer for peer in map(_peer, nodes) if peer is not None and peer.node != self.own]
        self._peers = {peer.node: peer for peer in found}
        self._by_certificate = {peer.certificate: peer.node for peer in found}

    def node_of(self, certificate: bytes) -> str | None:
        """Whose certificate it is, of those that are in the cluster now."""
        return self._by_certificate.get(certificate)

    def get(self, node: str) -> Peer | None:
        return self._peers.get(node)

    def everyone(self) -> list[Peer]:
        return list(self._peers.values())

    def serving(self) -> Mapping[str, Peer]:
        return {node: peer for node, peer in self._peers.items() if peer.port}


def ranked(key: str, nodes: Iterable[str]) -> list[str]:
    """Rendezvous hashing: all who know the same nodes have the same order for a key, and a node that comes or goes moves only
    the keys that are its own."""
    return sorted(nodes, key=lambda node: hashlib.sha256(f"{key} {node}".encode()).digest())


def _peer(node: Wire) -> Peer | None:
    status = node.get("status") or {}
    published = status.get("imagePeer") or {}
    try:
        certificate = base64.b64decode(published.get("certificate") or "", validate=True)
        port = int(published.get("port") or 0)
    except (ValueError, TypeError, binascii.Error):
        return None
    if not certificate:
        return None
    where = tuple(
        str(one.get("address")) for one in status.get("addresses") or () if one.get("type") in ("InternalIP", None)
    )
    return Peer(node["metadata"]["name"], where, port, certificate)
