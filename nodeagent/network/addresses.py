"""Which pod has which address of the node's range: one file per address, so that a crash loses nothing.

``<directory>/10.244.0.7`` holds the owner's pod uid, or nothing once it is free again; its time of change orders the
free ones. The address that was free longest is given first, so that a client that still knows the old owner meets
nobody rather than a stranger.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from nodeagent.network.errors import AddressesExhausted


class Addresses:
    def __init__(self, directory: Path, network: IPv4Network) -> None:
        """The first address of ``network`` is the bridge's, the last the broadcast's."""
        self._directory = directory
        self._network = network
        directory.mkdir(parents=True, exist_ok=True)
        self._owners: dict[str, IPv4Address] = {}
        self._free: dict[IPv4Address, None] = {}
        """In the order to be given."""
        self._load()

    def _load(self) -> None:
        freed: list[tuple[float, IPv4Address]] = []
        used: set[IPv4Address] = set()
        for path in self._directory.iterdir():
            with contextlib.suppress(ValueError, FileNotFoundError):
                address = IPv4Address(path.name)
                if address not in self._network:
                    path.unlink()  # of a range that the node had before
                elif owner := path.read_text():
                    self._owners[owner] = address
                    used.add(address)
                else:
                    freed.append((path.stat().st_mtime, address))
                    used.add(address)
        unused = (address for address in list(self._network.hosts())[1:] if address not in used)
        self._free = dict.fromkeys([*unused, *(address for _, address in sorted(freed))])

    @property
    def gateway(self) -> IPv4Address:
        return self._network[1]

    def allocate(self, pod_uid: str) -> IPv4Address:
        """The pod's address: the one that it has, or the one that was free longest."""
        if (held := self._owners.get(pod_uid)) is not None:
            return held
        if not self._free:
            raise AddressesExhausted(
                f"all {self._network.num_addresses - 3} addresses of the node's range {self._network} are in use"
            )
        address = next(iter(self._free))
        self._write(address, pod_uid)
        del self._free[address]
        self._owners[pod_uid] = address
        return address

    def release(self, pod_uid: str) -> None:
        address = self._owners.pop(pod_uid, None)
        if address is not None:
            self._write(address, "")
            self._free[address] = None

    def owners(self) -> Iterable[str]:
        return list(self._owners)

    def _write(self, address: IPv4Address, owner: str) -> None:
        draft = self._directory / f".{address}"
        draft.write_text(owner)
        draft.replace(self._directory / str(address))
