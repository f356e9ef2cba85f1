"""What the node says about itself: a Node object with capacity, addresses, conditions and images.

`measure` reads the host (blocking, a few small files); everything else is pure.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from nodeagent.settings import Settings
from schema import meta
from schema.base import Wire

VERSION = "v1.34.0+slipway-0.1.0"
"""`kubeletVersion`: clients compare its number with their own."""
MAX_PODS = 110
MAX_IMAGES = 50
MEGABYTE = 1024 * 1024
RESERVED_CPU_MILLIS = 100
RESERVED_MEMORY_BYTES = 256 * MEGABYTE
LOW_MEMORY_BYTES = 100 * MEGABYTE
LOW_PIDS = 1000
RECOVERY_PERCENT = 2.0
"""The disk must be this much emptier before its pressure counts as over: no flapping around the line."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Measures:
    """What changes by itself."""

    memory_available_bytes: int
    disk_total_bytes: int
    disk_used_bytes: int
    pids_free: int

    @property
    def disk_percent(self) -> float:
        return 100.0 * self.disk_used_bytes / max(self.disk_total_bytes, 1)


def measure(home: Path) -> Measures:
    disk = shutil.disk_usage(home)
    return Measures(
        memory_available_bytes=_meminfo("MemAvailable"),
        disk_total_bytes=disk.total,
        disk_used_bytes=disk.total - disk.free,
        pids_free=_pids_free(),
    )


def _meminfo(field: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _pids_free() -> int:
    limit = min(
        int(Path("/proc/sys/kernel/pid_max").read_text()), int(Path("/proc/sys/kernel/threads-max").read_text())
    )
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    return limit - running


# The parts of a Node


@dataclass(frozen=True)
class Facts:
    """What does not change while the agent runs."""

    cpu_count: int
    memory_bytes: int
    addresses: Sequence[str]
    info: Mapping[str, str]


def facts(runtime_version: str) -> Facts:
    uname = os.uname()
    info = {
        "machineID": _read("/etc/machine-id"),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        "bootID": _read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": uname.release,
        "osImage": _os_name(),
        "containerRuntimeVersion": runtime_version,
        "kubeletVersion": VERSION,
        "kubeProxyVersion": VERSION,
        "operatingSystem": "linux",
        "architecture": _ARCHITECTURES.get(uname.machine, uname.machine),
    }
    return Facts(len(os.sched_getaffinity(0)), _meminfo("MemTotal"), addresses(), info)


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def addresses() -> list[str]:
    """The address that this host reaches others from; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return [probe.getsockname()[0]]
        except OSError:
            return ["127.0.0.1"]


def capacity(known: Facts, disk_total_bytes: int) -> dict[str, str]:
    return {
        "cpu": str(known.cpu_count),
        "memory": f"{known.memory_bytes // 1024}Ki",
        "ephemeral-storage": f"{disk_total_bytes // 1024}Ki",
        "pods": str(MAX_PODS),
    }


def allocatable(known: Facts, disk_total_bytes: int, disk_pressure_percent: float) -> dict[str, str]:
    """Capacity less what the system and the agent need; a small machine gives at most a tenth away."""
    cpu = known.cpu_count * 1000 - min(RESERVED_CPU_MILLIS, known.cpu_count * 100)
    memory = known.memory_bytes - min(RESERVED_MEMORY_BYTES, known.memory_bytes // 10)
    return {
        "cpu": f"{cpu}m",
        "memory": f"{memory // 1024}Ki",
        "ephemeral-storage": f"{int(disk_total_bytes * disk_pressure_percent / 100) // 1024}Ki",
        "pods": str(MAX_PODS),
    }


Verdict = tuple[bool, str, str]
"""Whether the condition holds, its reason, its message."""


def verdicts(found: Measures, *, disk_limit_percent: float, network_problem: str) -> dict[str, Verdict]:
    disk, memory = found.disk_percent, found.memory_available_bytes
    full, scarce, crowded = disk >= disk_limit_percent, memory < LOW_MEMORY_BYTES, found.pids_free < LOW_PIDS
    return {
        "MemoryPressure": (
            (True, "AgentHasInsufficientMemory", f"only {memory // MEGABYTE} MiB of memory are available")
            if scarce
            else (False, "AgentHasSufficientMemory", "agent has sufficient memory available")
        ),
        "DiskPressure": (
            (True, "AgentHasDiskPressure", f"the disk of the agent's home is {disk:.0f} % full; no new pod is started")
            if full
            else (False, "AgentHasNoDiskPressure", "agent has no disk pressure")
        ),
        "PIDPressure": (
            (True, "AgentHasInsufficientPID", f"only {found.pids_free} more processes can be started")
            if crowded
            else (False, "AgentHasSufficientPID", "agent has sufficient PID available")
        ),
        "NetworkUnavailable": (
            (True, "PodNetworkNotReady", network_problem)
            if network_problem
            else (False, "PodNetworkReady", "the pod network is up")
        ),
        "Ready": (True, "AgentReady", "agent is posting ready status"),
    }


# The node as it is told


class NodeStatus:
    """The session's `NodeSource`. `watch` measures now and then, and says when something has changed."""

    def __init__(
        self,
        settings: Settings,
        known: Facts,
        *,
        now: Callable[[], datetime],
        images: Callable[[], Sequence[Wire]] = list,
        network_problem: Callable[[], str] = str,
        read: Callable[[Path], Measures] = measure,
    ) -> None:
        self.changed = asyncio.Event()
        self._settings = settings
        self._known = known
        self._now = now
        self._images = images
        self._network_problem = network_problem
        self._read = read
        self._found = read(settings.home)
        self._verdicts: dict[str, Verdict] = {}
        self._since: dict[str, datetime] = {}
        self._given: Wire = {}
        self._judge()

    @property
    def allocatable(self) -> dict[str, str]:
        return allocatable(self._known, self._found.disk_total_bytes, self._settings.disk_pressure_percent)

    def disk_problem(self) -> str:
        """Why no pod may be started; empty when they may."""
        full, _, message = self._verdicts["DiskPressure"]
        return message if full else ""

    def refresh(self) -> bool:
        """Judge anew from what is known; True when a condition has changed."""
        before = {kind: held for kind, (held, _, _) in self._verdicts.items()}
        self._judge()
        is_other = before != {kind: held for kind, (held, _, _) in self._verdicts.items()}
        if is_other:
            self.changed.set()
        return is_other

    async def measure(self) -> bool:
        self._found = await asyncio.to_thread(self._read, self._settings.home)
        return self.refresh()

    def _judge(self) -> None:
        limit = self._settings.disk_pressure_percent
        if self._verdicts.get("DiskPressure", (False, "", ""))[0]:
            limit -= RECOVERY_PERCENT
        self._verdicts, before = (
            verdicts(self._found, disk_limit_percent=limit, network_problem=self._network_problem()),
            self._verdicts,
        )
        for kind, (held, _, _) in self._verdicts.items():
            if kind not in before or before[kind][0] != held:
                self._since[kind] = self._now()

    def conditions(self) -> list[Wire]:
        now = meta.format_time(self._now())
        return [
            {
                "type": kind,
                "status": "True" if held else "False",
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": meta.format_time(self._since[kind]),
            }
            for kind, (held, reason, message) in self._verdicts.items()
        ]

    async def node(self) -> Wire:
        known, settings = self._known, self._settings
        conditions, images = self.conditions(), await asyncio.to_thread(self._image_list)
        status = {
            "capacity": capacity(known, self._found.disk_total_bytes),
            "allocatable": self.allocatable,
            "conditions": conditions,
            "addresses": [
                *({"type": "InternalIP", "address": address} for address in known.addresses),
                {"type": "Hostname", "address": settings.node_name},
            ],
            "nodeInfo": dict(known.info),
            "images": images,
        }
        self._given = {"conditions": _lasting(conditions), "images": images}
        labels = {
            "kubernetes.io/hostname": settings.node_name,
            "kubernetes.io/os": known.info["operatingSystem"],
            "kubernetes.io/arch": known.info["architecture"],
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": settings.node_name, "labels": labels},
            "status": status,
        }

    async def changes(self) -> Wire | None:
        """Only conditions and images change; a heartbeat without news writes nothing."""
        conditions, images = self.conditions(), await asyncio.to_thread(self._image_list)
        news: Wire = {}
        if _lasting(conditions) != self._given.get("conditions"):
            news["conditions"] = conditions
        if images != self._given.get("images"):
            news["images"] = images
        self._given = {"conditions": _lasting(conditions), "images": images}
        return news or None

    def _image_list(self) -> list[Wire]:
        ordered = sorted(self._images(), key=lambda image: -int(image["sizeBytes"]))
        return ordered[:MAX_IMAGES]


def _lasting(conditions: Sequence[Wire]) -> list[Wire]:
    """What makes a condition another one: not the time of the last look, nor a number in its message."""
    return [{key: condition[key] for key in ("type", "status", "reason")} for condition in conditions]
