"""The node's WireGuard devices and their keys. Blocking, for a thread.

``<home>/network/wireguard.json``, readable by root alone, holds the private keys; they go to the kernel and nowhere else.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_network
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic.wireguard import AsyncWireGuard

from nodeagent import config
from nodeagent.network import encryption, sysctl
from nodeagent.network.encryption import SLOTS, Peer, PublicKey
from nodeagent.network.errors import NetworkError
from nodeagent.network.netlink import Link, Netlink

ANSWER_SECONDS = 30.0
"""The kernel answers at once or not at all; a pass that waits for ever would hold up all later ones."""
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.ENOENT, errno.EPROTONOSUPPORT})


def device_name(instance: str, slot: int) -> str:
    return f"slwg{instance}{'ab'[slot]}"


# --- keys --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PrivateKey:
    secret: str
    created: float

    def __repr__(self) -> str:
        return f"PrivateKey(created={self.created})"

    @property
    def public(self) -> str:
        key = X25519PrivateKey.from_private_bytes(base64.b64decode(self.secret))
        return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def fresh(now: float) -> PrivateKey:
    raw = X25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    return PrivateKey(base64.b64encode(raw).decode(), now)


@dataclass(frozen=True)
class Keys:
    slots: tuple[PrivateKey, ...]
    coming: PrivateKey | None = None
    """Announced in place of the key of `coming_slot`, and used once everybody can read that."""
    coming_slot: int = 0

    def announced(self, port: int) -> tuple[PublicKey, ...]:
        keys = [self.coming if self.coming and slot == self.coming_slot else self.slots[slot] for slot in SLOTS]
        return tuple(PublicKey(key.public, port + slot) for slot, key in zip(SLOTS, keys, strict=True))

    def exchanging(self, slot: int, now: float) -> Keys:
        return replace(self, coming=fresh(now), coming_slot=slot)

    def exchanged(self) -> Keys:
        assert self.coming is not None  # noqa: S101
        slots = list(self.slots)
        slots[self.coming_slot] = self.coming
        return Keys(tuple(slots))


class KeyFile:
    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, now: float) -> Keys:
        """Made where there are none, or what is there is not readable: other nodes learn of the new ones."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            wire = json.loads(self._path.read_text())
            coming = wire["coming"] and PrivateKey(**wire["coming"])
            keys = Keys(tuple(PrivateKey(**each) for each in wire["slots"]), coming, wire["coming_slot"])
            if len(keys.slots) == len(SLOTS) and all(len(key.public) == 44 for key in keys.slots):
                return keys
        keys = Keys(tuple(fresh(now) for _ in SLOTS))
        self.save(keys)
        return keys

    def save(self, keys: Keys) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        config.write_private(self._path, json.dumps(asdict(keys)))


# --- devices -----------------------------------------------------------------------------------------------------


class Device:
    """One slot's. Raises `NetworkError` where the kernel has no WireGuard, and OSError for its other refusals."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ensure(self, host: Netlink, key: PrivateKey, *, port: int, mtu: int, own: Iterable[Any]) -> Link:
        """``own``: networks whose first address is the node's source for what it sends itself."""
        link = host.link(self.name)
        if link is None:
            make(host, self.name)
            link = host.link(self.name)
            assert link is not None  # noqa: S101
        public, at = self.identity()
        if (public, at) != (key.public, port):
            self._set(private_key=key.secret, listen_port=port)
        for network in own:
            address, length = network.network_address, network.max_prefixlen
            maker = IPv4Interface if network.version == 4 else IPv6Interface
            host.add_address(link.index, maker((address, length)))
        # Either slot receives, whichever the route to the sender leads through.
        sysctl.put(f"net/ipv4/conf/{self.name}/rp_filter", "2")
        if not link.up or link.mtu != mtu:
            host.set_up(link.index, mtu=mtu)
        return link

    def peers(self) -> list[Peer]:
        return [_parse_peer(peer) for message in self._info() for peer in message.get("WGDEVICE_A_PEERS") or ()]

    def make_so(self, present: Sequence[Peer], wanted: Sequence[Peer]) -> None:
        """Addresses that stay are not touched: they would be nobody's for a moment."""
        removed, changed = encryption.difference(present, wanted)
        held = {peer.key: peer for peer in present}
        for key in removed:
            self._set(peer={"public_key": key, "remove": True})
        for peer in changed:
            self._set(peer=_fields(peer, held.get(peer.key)))

    def identity(self) -> tuple[str, int]:
        """The public key and the port that the kernel has."""
        message = self._info()[0]
        return _text(message.get("WGDEVICE_A_PUBLIC_KEY")), int(message.get("WGDEVICE_A_LISTEN_PORT") or 0)

    def _info(self) -> list[Any]:
        async def info(kernel: Any) -> list[Any]:
            return [message async for message in await kernel.info(self.name)]

        return _asked(info)

    def _set(self, **fields: Any) -> None:
        async def change(kernel: Any) -> list[Any]:
            return [await kernel.set(self.name, **fields)]

        _asked(change)


def _asked(request: Callable[[Any], Awaitable[list[Any]]]) -> list[Any]:
    """Raises OSError with the kernel's number, or ETIMEDOUT."""

    async def ask() -> list[Any]:
        async with asyncio.timeout(ANSWER_SECONDS), AsyncWireGuard() as kernel:  # type: ignore[no-untyped-call]
            await kernel.setup_endpoint()
            return await request(kernel)

    try:
        return asyncio.run(ask())
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, "the kernel does not answer about WireGuard") from error


def make(host: Netlink, name: str) -> None:
    try:
        host.add_wireguard(name)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise NetworkError(encryption.UNSUPPORTED) from error
        if error.errno != errno.EEXIST:
            raise


def require(instance: str) -> None:
    """Raises `NetworkError` where no device can be made. The first one stays: it is wanted."""
    try:
        with Netlink() as host:
            if host.link(device_name(instance, 0)) is None:
                make(host, device_name(instance, 0))
    except OSError as error:
        raise NetworkError(f"cannot make a WireGuard device: {error.strerror}") from error


def check() -> None:
    """Raises `NetworkError` where no device can be made. Nothing stays."""
    name = f"slwg{os.getpid()}"
    try:
        with Netlink() as host:
            make(host, name)
            link = host.link(name)
            if link is not None:
                host.delete(link.index)
    except OSError as error:
        raise NetworkError(f"cannot make a WireGuard device: {error.strerror}") from error


def remove(host: Netlink, instance: str) -> None:
    for slot in SLOTS:
        link = host.link(device_name(instance, slot))
        if link is not None:
            host.delete(link.index)


def _fields(peer: Peer, before: Peer | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"public_key": peer.key, "persistent_keepalive": peer.keepalive_seconds}
    if before is None or before.endpoint != peer.endpoint:
        fields |= {"endpoint_addr": peer.endpoint[0], "endpoint_port": peer.endpoint[1]}
    if before is None or before.allowed != peer.allowed:
        fields |= {"replace_allowed_ips": True, "allowed_ips": sorted(peer.allowed)}
    return fields


def _parse_peer(peer: Any) -> Peer:
    endpoint = peer.get("WGPEER_A_ENDPOINT") or {}
    seen = (peer.get("WGPEER_A_LAST_HANDSHAKE_TIME") or {}).get("tv_sec") or None
    allowed = frozenset(str(ip_network(each["addr"])) for each in peer.get("WGPEER_A_ALLOWEDIPS") or ())
    return Peer(
        _text(peer.get("WGPEER_A_PUBLIC_KEY")),
        (endpoint.get("addr", ""), endpoint.get("port", 0)),
        allowed,
        peer.get("WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL") or 0,
        float(seen) if seen else None,
    )


def _text(found: Any) -> str:
    """A key as pyroute2 gives it: bytes of base64, or a dictionary around them."""
    value = found.get("value") if isinstance(found, dict) else found
    return value.decode() if isinstance(value, bytes) else str(value or "")
