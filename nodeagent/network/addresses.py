"""Which pod has which address of one of the node's ranges: one file per address, so that a crash loses nothing.

``<directory>/10.244.0.7`` holds the owner's pod uid, or nothing once it is free again; its time of change orders the
free ones. The address that was free longest is given first, and none within `QUARANTINE_SECONDS`, so that a client that
still knows the old owner meets nobody rather than a stranger.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from nodeagent.network.errors import AddressesExhausted
from schema.ranges import Range

Address = IPv4Address | IPv6Address

QUARANTINE_SECONDS = 2.0
MOST = 2**16
"""Addresses that are looked at of a range of IPv6, which has more than anybody can count."""


class Addresses:
    def __init__(self, directory: Path, network: Range, *, now: Callable[[], float] = time.time) -> None:
        """The first address of ``network`` is the bridge's, the last of IPv4 the broadcast's. Ranges of both families may
        share the directory."""
        self._directory = directory
        self._network = network
        self._now = now
        directory.mkdir(parents=True, exist_ok=True)
        self._owners: dict[str, Address] = {}
        self._freed: dict[Address, float] = {}
        """Since when, the longest first."""
        self._load()
        self._fresh = self._unused()

    def _load(self) -> None:
        freed: list[tuple[float, Address]] = []
        for path in self._directory.iterdir():
            with contextlib.suppress(ValueError, FileNotFoundError):
                address = ip_address(path.name)
                if address.version != self._network.version:
                    continue
                if address not in self._network:
                    path.unlink()  # of a range that the node had before
                elif owner := path.read_text():
                    self._owners[owner] = address
                else:
                    freed.append((path.stat().st_mtime, address))
        self._freed = {address: since for since, address in sorted(freed)}

    def _unused(self) -> Iterator[Address]:
        """Those that no pod ever had, the lowest first."""
        used = {*self._owners.values(), *self._freed}
        return (address for number in range(2, self._size + 2) if (address := self._network[number]) not in used)

    @property
    def _size(self) -> int:
        kept = 3 if self._network.version == 4 else 2
        return max(min(self._network.num_addresses - kept, MOST), 0)

    @property
    def gateway(self) -> Address:
        return self._network[1]

    def allocate(self, pod_uid: str) -> Address:
        """The pod's address: the one that it has, one that no pod had yet, or the one that was free longest."""
        if (held := self._owners.get(pod_uid)) is not None:
            return held
        address = next(self._fresh, None) or self._longest_free()
        try:
            self._write(address, pod_uid)
        except OSError:
            self._freed.setdefault(address, 0.0)
            raise
        self._freed.pop(address, None)
        self._owners[pod_uid] = address
        return address

    def _longest_free(self) -> Address:
        if not self._freed:
            raise AddressesExhausted(f"all {self._size} addresses of the node's range {self._network} are in use")
        address, since = next(iter(self._freed.items()))
        # A clock that was set back must not keep it for ever.
        if 0 <= self._now() - since < QUARANTINE_SECONDS:
            raise AddressesExhausted(
                f"all {self._size} addresses of the node's range {self._network} are in use, or were a moment ago"
            )
        return address

    def release(self, pod_uid: str) -> None:
        address = self._owners.pop(pod_uid, None)
        if address is not None:
            self._write(address, "")
            self._freed[address] = self._now()

    def owners(self) -> Iterable[str]:
        return list(self._owners)

    def _write(self, address: Address, owner: str) -> None:
        draft = self._directory / f".{address}"
        draft.write_text(owner)
        draft.replace(self._directory / str(address))
