"""Control groups, version 1, version 2 and the hybrid of both, where one or more controllers are left on version 2.

The tree is ``<parent>/pod<uid>/<container id>`` in every hierarchy. The OCI runtime makes and fills the container's
level; the pod's level, which holds the containers together to the pod's sum, is made here before it. Everything here
is a handful of small kernel file operations: microseconds each, so callers need no thread for them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from nodeagent.errors import AgentError
from schema.base import Wire

WANTED = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")
"""Controllers of version 2 that are handed down to pods."""
_V1_NAMES = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls",
             "net_prio", "perf_event", "rdma", "misc"}  # fmt: skip


class CgroupError(AgentError):
    """A limit could not be set, or a cgroup not removed."""

    reason = "CgroupError"


class Version(StrEnum):
    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


@dataclass(frozen=True)
class Usage:
    """Of a cgroup, as read at one moment. Absent controllers leave zeros."""

    cpu_seconds: float
    throttled_periods: int
    memory_bytes: int
    """Without the page cache that can be dropped at once: what Kubernetes calls the working set."""
    pids: int
    oom_kills: int
    memory_pressure_percent: float
    """Share of the last ten seconds in which some task waited for memory; version 2 only."""


@dataclass(frozen=True)
class Hierarchy:
    version: Version
    controllers: Mapping[str, Path]
    """Controller of version 1 to the root of its hierarchy, ``name=systemd`` included. Empty for pure version 2."""
    unified: Path | None
    """Root of the version 2 hierarchy."""
    unified_controllers: frozenset[str] = frozenset()

    @property
    def roots(self) -> list[Path]:
        """The root of every hierarchy, each once: several controllers may share one."""
        roots = list(dict.fromkeys(self.controllers.values()))
        return [*roots, self.unified] if self.unified else roots

    def directory(self, controller: str, path: str) -> Path | None:
        """Where ``controller`` keeps the cgroup ``path``; None where the host has no such controller."""
        root = self.controllers.get(controller)
        if root is None and controller in self.unified_controllers:
            root = self.unified
        return None if root is None else root / path.lstrip("/")

    def has(self, controller: str) -> bool:
        return controller in self.controllers or controller in self.unified_controllers

    def swap_accounting(self) -> bool:
        if self.version is Version.V2:
            return True  # memory.swap.max exists in every cgroup but the root
        root = self.controllers.get("memory")
        return root is not None and (root / "memory.memsw.limit_in_bytes").exists()

    # --- making and removing -------------------------------------------------------------------------------------

    def create(self, path: str, resources: Wire) -> None:
        """Make the cgroup ``path`` with these limits (OCI ``linux.resources``: cpu, memory, pids). Idempotent."""
        if self.version is Version.V2:
            assert self.unified is not None  # noqa: S101
            _create_unified(self.unified, path)
            _write_unified(self.unified / path.lstrip("/"), resources)
            return
        for controller in ("cpu", "memory", "pids"):
            directory = self.directory(controller, path)
            if directory is not None and controller in resources:
                directory.mkdir(parents=True, exist_ok=True)
                _write_v1(directory, controller, resources[controller])

    def remove(self, path: str, *, patience_seconds: float = 0.5) -> None:
        """Remove the cgroup and all below it. Raises `CgroupError` while a process is left in it."""
        deadline = time.monotonic() + patience_seconds
        for root in self.roots:
            _remove_tree(root / path.lstrip("/"), deadline)

    def remove_if_empty(self, path: str) -> bool:
        """Remove the cgroup unless a child or a process is left; whether it is gone now."""
        gone = True
        for root in self.roots:
            try:
                (root / path.lstrip("/")).rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                gone = False
        return gone

    def processes(self, path: str) -> set[int]:
        """Process ids in the cgroup and below it."""
        found: set[int] = set()
        for root in self.roots:
            for directory, _, _ in os.walk(root / path.lstrip("/")):
                with contextlib.suppress(FileNotFoundError, OSError):
                    found |= {int(line) for line in (Path(directory) / "cgroup.procs").read_text().split()}
        return found

    def children(self, path: str) -> set[str]:
        """Names of the cgroups directly below ``path``, of any hierarchy."""
        names: set[str] = set()
        for root in self.roots:
            with contextlib.suppress(FileNotFoundError):
                names |= {entry.name for entry in (root / path.lstrip("/")).iterdir() if entry.is_dir()}
        return names

    # --- reading -------------------------------------------------------------------------------------------------

    def usage(self, path: str) -> Usage | None:
        """None when the cgroup is gone."""
        memory = self.directory("memory", path)
        if memory is None or not memory.exists():
            return None
        if "memory" in self.controllers:
            return self._usage_v1(path, memory)
        return _usage_v2(memory)

    def transferred(self, path: str) -> tuple[int, int]:
        """Bytes read from and written to disks by the cgroup and those below it; zeros without the controller."""
        blkio = self.controllers.get("blkio")
        if blkio is not None:
            return _transferred_v1(blkio / path.lstrip("/") / "blkio.throttle.io_service_bytes_recursive")
        if self.unified is not None:
            return _transferred_v2(self.unified / path.lstrip("/") / "io.stat")
        return 0, 0

    def stalled_seconds(self, path: str, resource: str) -> float | None:
        """How long some task of the cgroup has waited for ``cpu``, ``memory`` or ``io``. Only version 2 tells, and in a
        hybrid it tells of what lives there too."""
        if self.unified is None:
            return None
        directory = self.unified / path.lstrip("/")
        if self.version is not Version.V2 and not _lives_in(directory):
            return None
        return stalled(directory / f"{resource}.pressure")

    def oom_kills(self, path: str) -> int:
        """How many processes of the cgroup the kernel has killed for want of memory."""
        memory = self.directory("memory", path)
        if memory is None:
            return 0
        return _flat(memory / ("memory.oom_control" if "memory" in self.controllers else "memory.events")).get(
            "oom_kill", 0
        )

    def _usage_v1(self, path: str, memory: Path) -> Usage:
        cpu = self.directory("cpu", path) or memory
        accounting = self.directory("cpuacct", path) or memory
        pids = self.directory("pids", path) or memory
        cache = _flat(memory / "memory.stat").get("total_inactive_file", 0)
        return Usage(
            cpu_seconds=_number(accounting / "cpuacct.usage") / 1e9,
            throttled_periods=_flat(cpu / "cpu.stat").get("nr_throttled", 0),
            memory_bytes=max(0, _number(memory / "memory.usage_in_bytes") - cache),
            pids=_number(pids / "pids.current"),
            oom_kills=_flat(memory / "memory.oom_control").get("oom_kill", 0),
            memory_pressure_percent=0.0,
        )


def detect(mountinfo: str | None = None) -> Hierarchy:
    """Read /proc/self/mountinfo (or the text given)."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    controllers: dict[str, Path] = {}
    unified: Path | None = None
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        target = before.split()[4]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            unified = unified or Path(target)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in _V1_NAMES or option.startswith("name="):
                    controllers.setdefault(option, Path(target))
    left = _words(unified / "cgroup.controllers") if unified else frozenset()
    if not any(name in controllers for name in ("cpu", "memory", "pids")):
        return Hierarchy(Version.V2, {}, unified, left)
    # A controller mounted both ways is the first version's: cgroup.controllers was read in the kernel's one truth.
    return Hierarchy(Version.HYBRID if unified else Version.V1, controllers, unified, left - controllers.keys())


def pod_path(parent: str, pod_uid: str) -> str:
    return str(PurePosixPath("/", parent, f"pod{pod_uid}"))


def container_path(parent: str, pod_uid: str, container_id: str) -> str:
    return str(PurePosixPath(pod_path(parent, pod_uid), container_id))


def of_process(pid: int | str = "self") -> dict[str, str]:
    """Controller (``""`` for version 2) to the cgroup that a process is in."""
    places: dict[str, str] = {}
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            places[name] = path
    return places


def place(hierarchy: Hierarchy, pid: int, path: str) -> None:
    """Move a process to ``path`` in each hierarchy where it is not at the root or there already.

    The root is nobody's to kill or limit, so there it may stay.
    """
    places = of_process(pid)
    for root in hierarchy.roots:
        names = [""] if root == hierarchy.unified else [n for n, at in hierarchy.controllers.items() if at == root]
        if all(places.get(name, "/") in ("/", path) for name in names):
            continue
        directory = root / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text(str(pid))


# --- version 2 ---------------------------------------------------------------------------------------------------


def _create_unified(root: Path, path: str) -> None:
    directory = root
    for part in PurePosixPath(path).parts[1:]:
        _delegate(directory)
        directory = directory / part
        directory.mkdir(exist_ok=True)
    _delegate(directory)


def _delegate(directory: Path) -> None:
    """Let the children of ``directory`` have every wanted controller that it has itself."""
    wanted = _words(directory / "cgroup.controllers").intersection(WANTED)
    missing = wanted - _words(directory / "cgroup.subtree_control")
    if not missing:
        return
    command = " ".join(f"+{name}" for name in sorted(missing))
    try:
        (directory / "cgroup.subtree_control").write_text(command)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOTSUP):
            raise
        # Only leaves may hold processes. Inside a container of its own, the agent's group is the visible root.
        _evacuate(directory)
        (directory / "cgroup.subtree_control").write_text(command)


def _evacuate(directory: Path) -> None:
    leaf = directory / "slipway-init"
    leaf.mkdir(exist_ok=True)
    for pid in (directory / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):  # ended meanwhile, or a kernel thread
            (leaf / "cgroup.procs").write_text(pid)


def _write_unified(directory: Path, resources: Wire) -> None:
    cpu, memory, pids = (resources.get(name) or {} for name in ("cpu", "memory", "pids"))
    values: dict[str, str] = {}
    if shares := cpu.get("shares"):
        values["cpu.weight"] = str(cpu_weight(shares))
    values["cpu.max"] = f"{cpu.get('quota') or 'max'} {cpu.get('period', 100_000)}"
    values["memory.max"] = str(memory.get("limit") or "max")
    values["pids.max"] = str(pids.get("limit") or "max")
    for name, value in values.items():
        if (directory / name).exists():
            _write(directory / name, value)


def cpu_weight(shares: int) -> int:
    """Version 1 shares (2 to 262144) to version 2 weight (1 to 10000), as the OCI runtimes convert them."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def _usage_v2(directory: Path) -> Usage:
    cpu = _flat(directory / "cpu.stat")
    cache = _flat(directory / "memory.stat").get("inactive_file", 0)
    return Usage(
        cpu_seconds=cpu.get("usage_usec", 0) / 1e6,
        throttled_periods=cpu.get("nr_throttled", 0),
        memory_bytes=max(0, _number(directory / "memory.current") - cache),
        pids=_number(directory / "pids.current"),
        oom_kills=_flat(directory / "memory.events").get("oom_kill", 0),
        memory_pressure_percent=_pressure(directory / "memory.pressure"),
    )


def _pressure(path: Path) -> float:
    try:
        first = path.read_text().split("\n", 1)[0]
    except OSError:
        return 0.0
    values = dict(part.split("=") for part in first.split()[1:])
    return float(values.get("avg10", 0))


def stalled(path: Path) -> float | None:
    """Seconds in which some task waited, from a file of pressure stall information; None where there is none."""
    try:
        first = path.read_text().split("\n", 1)[0]
    except OSError:  # absent, or PSI is switched off
        return None
    values = dict(part.split("=") for part in first.split()[1:])
    return int(values.get("total", 0)) / 1e6


def _lives_in(directory: Path) -> bool:
    return "populated 1" in _text(directory / "cgroup.events")


def _transferred_v2(path: Path) -> tuple[int, int]:
    """``8:0 rbytes=1 wbytes=2 …`` for each disk."""
    words = [word.partition("=") for word in _text(path).split()]
    read, written = (sum(int(value) for name, _, value in words if name == wanted) for wanted in ("rbytes", "wbytes"))
    return read, written


# --- version 1 ---------------------------------------------------------------------------------------------------


def _write_v1(directory: Path, controller: str, limits: Wire) -> None:
    match controller:
        case "cpu":
            if limits.get("shares"):
                _write(directory / "cpu.shares", str(limits["shares"]))
            if (directory / "cpu.cfs_quota_us").exists():
                _write(directory / "cpu.cfs_period_us", str(limits.get("period", 100_000)))
                _write(directory / "cpu.cfs_quota_us", str(limits.get("quota") or -1))
        case "memory":
            _write(directory / "memory.limit_in_bytes", str(limits.get("limit") or -1))
        case "pids":
            _write(directory / "pids.max", str(limits.get("limit") or "max"))


def _transferred_v1(path: Path) -> tuple[int, int]:
    """``8:0 Read 1`` and ``8:0 Write 2`` for each disk."""
    found = {"Read": 0, "Write": 0}
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in found:
            found[words[1]] += int(words[2])
    return found["Read"], found["Write"]


# --- files -------------------------------------------------------------------------------------------------------


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise CgroupError(f"cannot set {path} to {value}: {error.strerror}") from error


def _remove_tree(directory: Path, deadline: float) -> None:
    try:
        names = [entry for entry in directory.iterdir() if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    for child in names:
        _remove_tree(child, deadline)
    while True:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            # A killed process leaves its cgroup a moment after it is reaped.
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise CgroupError(f"cannot remove the cgroup {directory}: {error.strerror}") from error
            time.sleep(0.005)
        else:
            return


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _words(path: Path) -> frozenset[str]:
    try:
        return frozenset(path.read_text().split())
    except FileNotFoundError:
        return frozenset()


def _number(path: Path) -> int:
    try:
        text = path.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def _flat(path: Path) -> dict[str, int]:
    """A file of ``name number`` lines."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
