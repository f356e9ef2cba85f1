"""What a pod has on the node's disk: the files and the /dev/shm that are mounted into its containers. Blocking, for a thread."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from nodeagent import kernel
from nodeagent.network import files, namespaces
from schema.core.pod import Pod

SHM_BYTES = 64 * 1024 * 1024


def prepare(pod: Pod, directory: Path, addresses: Sequence[str], names: files.Names) -> None:
    """``directory`` is the pod's own. What is there already is written anew."""
    _write_files(pod, directory / "etc", addresses, names)
    _mount_shm(directory / "shm", host=pod.spec.host_ipc)


def _write_files(pod: Pod, directory: Path, addresses: Sequence[str], names: files.Names) -> None:
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    resolver = files.parse_resolver(_read("/etc/resolv.conf"))
    if pod.spec.host_network:
        hosts = files.host_network_hosts(pod, _read("/etc/hosts"))
    else:
        hosts = files.hosts(pod, addresses=addresses, hostname=names.host, cluster_domain=names.cluster.domain)
        resolver = _reachable(resolver)
    (directory / "hosts").write_text(hosts)
    (directory / "hostname").write_text(f"{names.host}\n")
    (directory / "resolv.conf").write_text(
        files.format_resolver(files.resolver_of(pod, resolver, names.cluster if names.cluster.addresses else None))
    )


def _reachable(resolver: files.Resolver) -> files.Resolver:
    """Without loopback servers; systemd-resolved keeps the real ones in a file of its own."""
    reachable = files.without_loopback(resolver)
    if not reachable.nameservers and resolver.nameservers:
        reachable = files.without_loopback(files.parse_resolver(_read("/run/systemd/resolve/resolv.conf")))
    return reachable


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _mount_shm(directory: Path, *, host: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    if not host:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("shm", str(directory), "tmpfs", flags, f"mode=1777,size={SHM_BYTES}")


def remove(directory: Path) -> None:
    """All that the pod has there, its namespaces' pins too: whether it is whole, half made or gone."""
    namespaces.remove(directory / "ns")
    shm = directory / "shm"
    while True:
        try:
            kernel.unmount(str(shm), kernel.MNT_DETACH | kernel.UMOUNT_NOFOLLOW)
        except OSError:
            break
    with contextlib.suppress(FileNotFoundError):
        shm.rmdir()
    shutil.rmtree(directory / "etc", ignore_errors=True)
    (directory / "sandbox.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()
