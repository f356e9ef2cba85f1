"""A pod's network, IPC and UTS namespaces: made in a thread of their own, and kept by bind mounts of their files.

No process lives in them until the first container does; the mounts alone hold them (namespaces(7)).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path

from nodeagent import kernel
from nodeagent.network import shortcut, wiring

KINDS = {"net": kernel.CLONE_NEWNET, "ipc": kernel.CLONE_NEWIPC, "uts": kernel.CLONE_NEWUTS}
INTERFACE = "eth0"


@dataclass(frozen=True)
class Inside:
    """What the network namespace gets: None for a pod on the host's network."""

    addresses: Sequence[IPv4Interface | IPv6Interface]
    """The preferred family's first."""
    gateways: Sequence[IPv4Address | IPv6Address]
    bridge_index: int
    veth: str
    """The host's end."""
    hardware: str
    """Address of the pod's end."""
    mtu: int
    programs: shortcut.Programs | None = None


async def create(directory: Path, *, hostname: str, kinds: frozenset[str], inside: Inside | None) -> None:
    """Make and pin the namespaces ``kinds`` as files of ``directory``; set up what is in them. Raises OSError."""
    await _in_thread(lambda: _make(directory, hostname, kinds, inside))


async def _in_thread(function: Callable[[], None]) -> None:
    """Run in a new thread, which ends after it: its namespaces must not be met by other work, as a pool's would be."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: BaseException | None) -> None:
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def body() -> None:
        error: BaseException | None = None
        try:
            function()
        except BaseException as raised:  # noqa: BLE001 - handed to the awaiting task, whatever it is
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=body, name="pod-namespaces", daemon=True).start()
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])  # milliseconds; what it is making must be whole before it is taken away
        raise


def _make(directory: Path, hostname: str, kinds: frozenset[str], inside: Inside | None) -> None:
    # Opened before this thread leaves the host's namespace, so it goes on speaking to that one.
    with wiring.Wire() if inside is not None else contextlib.nullcontext() as host:
        _unshare(directory, hostname, kinds)
        if inside is not None and host is not None:
            _connect(inside, host)
    for kind in sorted(kinds):
        pin = directory / kind
        pin.touch()
        kernel.mount(f"/proc/thread-self/ns/{kind}", str(pin), flags=kernel.MS_BIND)


def _unshare(directory: Path, hostname: str, kinds: frozenset[str]) -> None:
    flags = 0
    for kind in kinds:
        flags |= KINDS[kind]
    kernel.unshare(flags)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if "uts" in kinds:
        kernel.sethostname(hostname)


def _connect(inside: Inside, host: wiring.Wire) -> None:
    """Loopback up, and a pair of interfaces between the pod's namespace and the host's bridge."""
    # Settings before the interfaces, so that none of them ever has an IPv6 address that we did not give. Loopback keeps its
    # ::1.
    without_ipv6 = all(address.version == 4 for address in inside.addresses)
    _write_settings(
        {
            "ipv6/conf/default/disable_ipv6": "1" if without_ipv6 else "0",
            "ipv6/conf/default/accept_ra": "0",
            "ipv6/conf/default/accept_dad": "0",
            "ipv6/conf/default/accept_redirects": "0",
            "ipv4/ip_unprivileged_port_start": "0",
            "ipv4/ping_group_range": "0 2147483647",
            "ipv4/conf/all/accept_redirects": "0",
            "ipv4/conf/default/accept_redirects": "0",
        }
    )
    with wiring.Wire() as own, Path("/proc/thread-self/ns/net").open() as namespace:
        wiring.join(
            host,
            inside.veth,
            bridge=inside.bridge_index,
            mtu=inside.mtu,
            peer=INTERFACE,
            namespace=namespace.fileno(),
            peer_hardware=inside.hardware,
        )
        if inside.programs is not None:
            shortcut.attach(host, inside.veth, inside.programs)
        # No neighbours: whatever a pod sends passes the node's own rules, so that a service's answer finds its way back
        # through them, and policies see traffic between pods of one node.
        wiring.address(own, INTERFACE, inside.addresses, inside.gateways)


def _write_settings(settings: dict[str, str]) -> None:
    for name, value in settings.items():
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            Path(f"/proc/sys/net/{name}").write_text(value)


def are_pinned(directory: Path, kinds: frozenset[str]) -> bool:
    return all(_is_namespace(directory / kind) for kind in kinds)


def _is_namespace(path: Path) -> bool:
    """A pinned namespace is a file of the kernel's nsfs; what is left after a reboot is an empty file."""
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except FileNotFoundError:
        return False


def remove(directory: Path) -> None:
    """Let go of the pins. The kernel removes the namespaces, and the pod's interfaces, after their last process."""
    for kind in KINDS:
        pin = directory / kind
        while True:  # a crash between mounts and record may have stacked two
            try:
                kernel.unmount(str(pin), kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
            except OSError as error:
                if error.errno in (errno.EINVAL, errno.ENOENT):
                    break
                raise
        pin.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        directory.rmdir()
