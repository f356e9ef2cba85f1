"""The Node object of this host: what it is, what it has, how it is."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nodeagent.builds import builder
from nodeagent.builds.settings import from_environment
from nodeagent.settings import Settings
from schema import meta
from schema.base import Wire
from schema.networking.ingress import SERVING as INGRESS_SERVING
from schema.slipway.building import BUILDER

if TYPE_CHECKING:
    from nodeagent.network.encrypted import Report

MAX_PODS = 110
RESERVED_CPU_MILLIS = 100
RESERVED_MEMORY_BYTES = 256 * 1024 * 1024
"""Kept from pods, for the system and our own processes."""
MEMORY_PRESSURE_BYTES = 100 * 1024 * 1024
PID_PRESSURE_PERCENT = 95
AGENT_VERSION = "0.1.0"
MAX_IMAGES = 50
INGRESS = "ingress"
"""The part of the network that runs the proxy."""
CHANGING = ("conditions", "images", "wireguard")
"""Fields of the status that change while the agent runs."""


def boot_id() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def addresses() -> list[str]:
    """This host's addresses that others may reach, the one towards the default route first. No packet is sent."""
    found = []
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue
            found.append(str(probe.getsockname()[0]))
    return found or ["127.0.0.1"]


@dataclass(frozen=True)
class Disk:
    """Of the file system under the agent's home."""

    total_bytes: int
    free_bytes: int
    free_inodes_percent: float

    @classmethod
    def under(cls, home: Path) -> Disk:
        stat = os.statvfs(home)
        inodes = 100.0 * stat.f_favail / stat.f_files if stat.f_files else 100.0
        return cls(stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize, inodes)

    @property
    def used_bytes(self) -> int:
        return self.total_bytes - self.free_bytes

    @property
    def used_percent(self) -> float:
        return 100.0 * (1 - self.free_bytes / self.total_bytes) if self.total_bytes else 0.0

    def pressure(self, limit_percent: float) -> str:
        """Why no pod may be started; empty when they may."""
        if self.used_percent >= limit_percent:
            return f"the disk is {self.used_percent:.0f} % full (limit {limit_percent:.0f} %)"
        if self.free_inodes_percent <= 100 - limit_percent:
            return f"only {self.free_inodes_percent:.1f} % of the file system's inodes are free"
        return ""


def memory() -> tuple[int, int]:
    """Total and available bytes."""
    amounts = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        amounts[name] = int(rest.split()[0]) * 1024
    return amounts["MemTotal"], amounts.get("MemAvailable", amounts["MemFree"])


def processes() -> tuple[int, int]:
    """Threads there are, and how many there may be."""
    running = _read("/proc/loadavg").split()[3].split("/")[1]
    limit = min(int(_read("/proc/sys/kernel/pid_max") or 32768), int(_read("/proc/sys/kernel/threads-max") or 32768))
    return int(running), limit


def capacity(settings: Settings) -> Wire:
    total, _ = memory()
    return {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{total // 1024}Ki",
        "pods": str(MAX_PODS),
        "ephemeral-storage": f"{Disk.under(settings.home).total_bytes // 1024}Ki",
        **builders(),
    }


def allocatable(settings: Settings) -> Wire:
    total, _ = memory()
    disk = Disk.under(settings.home).total_bytes
    return {
        "cpu": f"{(os.cpu_count() or 1) * 1000 - RESERVED_CPU_MILLIS}m",
        "memory": f"{max(total - RESERVED_MEMORY_BYTES, total // 2) // 1024}Ki",
        "pods": str(MAX_PODS),
        "ephemeral-storage": f"{disk * 9 // 10 // 1024}Ki",
        **builders(),
    }


def builders() -> Wire:
    """How many builds may run here at once; nothing where none can."""
    at_once = from_environment().at_once
    return {BUILDER: str(at_once)} if at_once > 0 and not builder.lacking() else {}


def node_info() -> Wire:
    release = dict(line.split("=", 1) for line in _read("/etc/os-release").splitlines() if "=" in line)
    return {
        "machineID": _read("/etc/machine-id"),
        "systemUUID": _read("/sys/class/dmi/id/product_uuid") or _read("/etc/machine-id"),
        "bootID": boot_id(),
        "kernelVersion": platform.release(),
        "osImage": release.get("PRETTY_NAME", "Linux").strip('"'),
        "containerRuntimeVersion": f"slipway://{AGENT_VERSION}",
        "kubeletVersion": f"v1.37.0+slipway.{AGENT_VERSION}",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": architecture(),
    }


def architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(machine, machine)


@dataclass
class NodeStatus:
    """Remembers since when each condition holds."""

    settings: Settings
    images: Callable[[], Sequence[Wire]] = list
    """What is here, as in `status.images`."""
    image_peer: Callable[[], Wire] | None = None
    """How other nodes get layers from this one."""
    network_problem: str = ""
    """Why pods cannot have a network; empty when they can."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """What keeps parts of the network from following the cluster, by name."""
    answers_for_ingresses: Callable[[], bool] = lambda: False
    """Whether this node is labelled for it."""
    encryption: Callable[[], Report] | None = None
    """Where packets between nodes are encrypted."""
    _since: dict[str, tuple[str, str]] = field(default_factory=dict)

    def node(self) -> Wire:
        """The whole Node, for Hello."""
        name = self.settings.node_name
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": architecture(),
            **({BUILDER: "true"} if builders() else {}),
            **self.settings.labels,
        }
        where = [{"type": "InternalIP", "address": address} for address in addresses()]
        status = {
            "capacity": capacity(self.settings),
            "allocatable": allocatable(self.settings),
            "addresses": [*where, {"type": "Hostname", "address": name}],
            "nodeInfo": node_info(),
            **({"imagePeer": self.image_peer()} if self.image_peer is not None else {}),
            **self.changing(),
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            **({"spec": {"taints": [dict(taint) for taint in self.settings.taints]}} if self.settings.taints else {}),
            "status": status,
        }

    def changing(self) -> Wire:
        """The fields of the status that change: those in `CHANGING`."""
        largest = sorted(self.images(), key=lambda image: -int(image["sizeBytes"]))
        found: Wire = {"conditions": self.conditions(), "images": largest[:MAX_IMAGES]}
        if self.encryption is not None:
            report = self.encryption()
            found["conditions"].append(self._encryption_condition(report))
            found["wireguard"] = list(report.keys)
        return found

    def _encryption_condition(self, report: Report) -> Wire:
        return self._condition(
            "EncryptionIncomplete",
            bool(report.problem),
            bad=("NodesWithoutEncryption" if report.keys else "EncryptionUnsupported", report.problem),
            good=("Encrypted", report.message),
        )

    def conditions(self) -> list[Wire]:
        _, available = memory()
        disk = Disk.under(self.settings.home).pressure(self.settings.disk_pressure_percent)
        threads, most = processes()
        crowded = threads * 100 >= most * PID_PRESSURE_PERCENT
        others = [f"{name}: {text}" for name, text in sorted(self.problems.items()) if name != INGRESS]
        trouble = self.network_problem or "; ".join(others)
        return [
            self._condition(
                "MemoryPressure",
                available < MEMORY_PRESSURE_BYTES,
                bad=("InsufficientMemory", f"only {available // 2**20} MiB of memory are available"),
                good=("SufficientMemory", "enough memory is available"),
            ),
            self._condition(
                "DiskPressure", bool(disk), bad=("DiskFull", disk), good=("SufficientDisk", "enough disk space is free")
            ),
            self._condition(
                "PIDPressure",
                crowded,
                bad=("InsufficientPID", f"{threads} of {most} processes exist"),
                good=("SufficientPID", "enough process ids are free"),
            ),
            self._condition(
                "NetworkUnavailable",
                bool(trouble),
                bad=("NetworkNotSetUp", trouble),
                good=("NetworkSetUp", "pods can have a network"),
            ),
            self._condition("Ready", True, bad=("AgentReady", "the agent is ready"), good=("", "")),
            *self._ingress(),
        ]

    def _ingress(self) -> list[Wire]:
        """Of nodes that answer for Ingresses only. Pods are not concerned if their proxy cannot run."""
        if not self.answers_for_ingresses():
            return []
        problem = self.problems.get(INGRESS, "")
        serving = ("ProxyRuns", "the proxy answers for Ingresses")
        return [self._condition(INGRESS_SERVING, not problem, bad=serving, good=("ProxyFailed", problem))]

    def _condition(self, kind: str, holds: bool, *, bad: tuple[str, str], good: tuple[str, str]) -> Wire:
        status = "True" if holds else "False"
        now = meta.format_time(meta.now())
        before = self._since.get(kind)
        since = before[1] if before is not None and before[0] == status else now
        self._since[kind] = (status, since)
        reason, message = bad if holds else good
        return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}

    def pressure(self) -> str:
        return Disk.under(self.settings.home).pressure(self.settings.disk_pressure_percent)
