"""What this host and this agent can give a container. Read once; the answers last as long as the process."""

from __future__ import annotations

import functools
import json
import os
import resource
import stat
from dataclasses import dataclass, field
from pathlib import Path

from nodeagent.runtime import capabilities, cgroups, seccomp
from schema.base import Wire

ADMINISTRATORS_SECCOMP_PROFILE = Path("/etc/containers/seccomp.json")
SECCOMP_PROFILE = Path("/usr/share/containers/seccomp.json")
"""Of the package golang-github-containers-common."""


@dataclass(frozen=True)
class Device:
    path: str
    kind: str
    """``c`` or ``b``."""
    major: int
    minor: int
    mode: int
    uid: int
    gid: int

    def oci(self) -> Wire:
        return {
            "path": self.path,
            "type": self.kind,
            "major": self.major,
            "minor": self.minor,
            "fileMode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
        }


@dataclass(frozen=True)
class HostFacts:
    machine: str
    """As ``uname -m`` says it."""
    kernel: tuple[int, int]
    memory_bytes: int
    capabilities: frozenset[str]
    """The agent's bounding set: nothing can be given beyond it."""
    oom_score_floor: int
    """The lowest oom_score_adj that we may set: our own where CAP_SYS_RESOURCE is missing."""
    open_files: int
    """Our hard limit of open files."""
    swap_accounting: bool
    cgroup_v2: bool
    seccomp_profile: Wire | None = field(default=None, repr=False)


@functools.cache
def facts() -> HostFacts:
    uname = os.uname()
    major, minor = uname.release.split(".")[:2]
    held = _bounding_set()
    hierarchy = cgroups.detect()
    return HostFacts(
        machine=uname.machine,
        kernel=(int(major), int("".join(c for c in minor if c.isdecimal()) or 0)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        capabilities=held,
        oom_score_floor=-1000 if "CAP_SYS_RESOURCE" in held else int(Path("/proc/self/oom_score_adj").read_text()),
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        swap_accounting=hierarchy.swap_accounting(),
        cgroup_v2=hierarchy.version is cgroups.Version.V2,
        seccomp_profile=seccomp_profile(),
    )


def seccomp_profile() -> Wire | None:
    """The administrator's profile as it is, or else the distribution's made as strict as Docker's; None without both."""
    profile: Wire
    if ADMINISTRATORS_SECCOMP_PROFILE.exists():
        profile = json.loads(ADMINISTRATORS_SECCOMP_PROFILE.read_text())
        return profile
    if SECCOMP_PROFILE.exists():
        profile = json.loads(SECCOMP_PROFILE.read_text())
        return seccomp.as_docker(profile)
    return None


def devices(root: Path = Path("/dev")) -> list[Device]:
    """Every device node of the host, for privileged containers; terminals and mounts below /dev are the container's own."""
    found: list[Device] = []
    skipped = {"pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev"}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in skipped]
        for name in files:
            path = Path(directory) / name
            status = path.lstat()
            kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
            if not kind or name in skipped:
                continue
            number = status.st_rdev
            found.append(
                Device(
                    str(path), kind, os.major(number), os.minor(number),
                    stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid,
                )
            )  # fmt: skip
    return sorted(found, key=lambda device: device.path)


def _bounding_set() -> frozenset[str]:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return capabilities.from_mask(int(line.split()[1], 16))
    return frozenset()
