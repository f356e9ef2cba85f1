"""Reads the counters: of cgroups, of the pods' interfaces, of the host. Blocks for milliseconds; call it in a thread."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nodeagent import node_status
from nodeagent.metrics.rates import ContainerReading, Counters, PodReading, Reading
from nodeagent.network.pod_state import veth_name
from nodeagent.runtime import cgroups

_NOT_THE_HOSTS = ("lo", "sv", "slip", "veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "wg", "tun", "tap",
                  "dummy", "ifb")  # fmt: skip
"""Interfaces whose traffic is counted elsewhere, or is nobody's: prefixes of their names."""
_NO_DISKS = ("loop", "ram", "dm-", "md", "zram", "sr", "fd")
_SECTOR_BYTES = 512
"""Of /proc/diskstats, whatever the disk's own are (Documentation/admin-guide/iostats.rst)."""


@dataclass(frozen=True)
class Place:
    """A pod whose usage is to be read."""

    uid: str
    namespace: str
    name: str
    host_network: bool
    containers: Mapping[str, tuple[str, datetime]]
    """Of those that run: container id and start, by name."""
    controller: str = ""
    """``<kind>/<name>`` of what controls it."""


def read(places: Iterable[Place], *, cgroup_parent: str, now: datetime) -> Reading:
    hierarchy = cgroups.detect()
    interfaces = traffic(Path("/proc/self/net/dev").read_text())
    pods = {}
    for place in places:
        pod = _pod(hierarchy, place, cgroup_parent, interfaces)
        if pod is not None:
            pods[place.uid] = pod
    return Reading(now, node(interfaces), pods)


def _pod(
    hierarchy: cgroups.Hierarchy, place: Place, parent: str, interfaces: Mapping[str, tuple[int, int]]
) -> PodReading | None:
    path = cgroups.pod_path(parent, place.uid)
    containers = {}
    for name, (container_id, started_at) in place.containers.items():
        counters = of_cgroup(hierarchy, cgroups.container_path(parent, place.uid, container_id))
        if counters is not None:
            containers[name] = ContainerReading(container_id, started_at, counters)
    whole = of_cgroup(hierarchy, path)
    if whole is None:
        return None
    # What the host's end of the pair receives the pod has sent.
    sent, received = interfaces.get(veth_name(place.uid), (0, 0)) if not place.host_network else (0, 0)
    counters = Counters(**{**vars(whole), "received_bytes": received, "sent_bytes": sent})
    return PodReading(place.namespace, place.name, counters, containers, place.controller)


def of_cgroup(hierarchy: cgroups.Hierarchy, path: str) -> Counters | None:
    usage = hierarchy.usage(path)
    if usage is None:
        return None
    read_bytes, written_bytes = hierarchy.transferred(path)
    stalled = {name: hierarchy.stalled_seconds(path, name) for name in ("cpu", "memory", "io")}
    return Counters(
        cpu_seconds=usage.cpu_seconds,
        memory_bytes=usage.memory_bytes,
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        cpu_stalled_seconds=stalled["cpu"],
        memory_stalled_seconds=stalled["memory"],
        io_stalled_seconds=stalled["io"],
    )


def node(interfaces: Mapping[str, tuple[int, int]]) -> Counters:
    total, available = node_status.memory()
    read_bytes, written_bytes = disks(Path("/proc/diskstats").read_text())
    own = [numbers for name, numbers in interfaces.items() if not name.startswith(_NOT_THE_HOSTS)]
    pressure = Path("/proc/pressure")
    return Counters(
        cpu_seconds=busy_seconds(Path("/proc/stat").read_text()),
        memory_bytes=total - available,
        received_bytes=sum(received for received, _ in own),
        sent_bytes=sum(sent for _, sent in own),
        read_bytes=read_bytes,
        written_bytes=written_bytes,
        cpu_stalled_seconds=cgroups.stalled(pressure / "cpu"),
        memory_stalled_seconds=cgroups.stalled(pressure / "memory"),
        io_stalled_seconds=cgroups.stalled(pressure / "io"),
    )


def busy_seconds(stat: str) -> float:
    """All processors' time that was not idle, waiting for a disk, or stolen."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = (int(word) for word in stat.split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def traffic(devices: str) -> dict[str, tuple[int, int]]:
    """Bytes received and sent by each interface of our network namespace, from /proc/net/dev."""
    found = {}
    for line in devices.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        words = numbers.split()
        found[name.strip()] = (int(words[0]), int(words[8]))
    return found


def disks(stats: str) -> tuple[int, int]:
    """Bytes read and written by whole disks."""
    names = {line.split()[2] for line in stats.splitlines()}
    read_sectors = written_sectors = 0
    for line in stats.splitlines():
        words = line.split()
        name = words[2]
        if name.startswith(_NO_DISKS) or _is_partition(name, names):
            continue
        read_sectors += int(words[5])
        written_sectors += int(words[9])
    return read_sectors * _SECTOR_BYTES, written_sectors * _SECTOR_BYTES


def _is_partition(name: str, names: set[str]) -> bool:
    """``sda1`` of ``sda``, ``nvme0n1p2`` of ``nvme0n1``."""
    whole = name.rstrip("0123456789")
    return whole != name and (whole in names or (whole.endswith("p") and whole[:-1] in names))
