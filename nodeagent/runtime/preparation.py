"""What is set on a host once for all containers, when an agent with the right to do so starts. Idempotent.

* The run directory holds a few dozen small files for each container, for as long as it runs. Where it is not on a tmpfs,
  as /run is not everywhere, one is mounted on it: an inode of a disk costs many times as much, and after a reboot they
  would mislead.
* crun wants every controller of a hybrid host where version 1 keeps it. Where ``hugetlb`` was left on version 2, it
  is mounted as the package cgroupfs-mount does.
* Moving a process into a cgroup waits for a grace period of the kernel's RCU, 10 to 30 ms for each container started,
  unless a hierarchy is mounted with ``favordynmods`` (Linux 6.0). It makes fork and exit slower by nanoseconds.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nodeagent import kernel
from nodeagent.runtime import cgroups

log = logging.getLogger(__name__)

_RUN_OPTIONS = "mode=0700,size=10%"
"""As much of the memory as distributions give /run."""
_MARK = "favordynmods"
_MS_RELATIME = 1 << 21
_FLAGS = {"ro": kernel.MS_RDONLY, "nosuid": kernel.MS_NOSUID, "nodev": kernel.MS_NODEV, "noexec": kernel.MS_NOEXEC,
          "relatime": _MS_RELATIME}  # fmt: skip


def prepare(run_dir: Path) -> None:
    """Each step is worth having alone: one that fails is logged, and doctor explains it."""
    for step in (_keep_in_memory, _mount_hugetlb, _favour_moves):
        try:
            step(run_dir)
        except OSError as error:
            log.warning("%s: %s; run `python -m nodeagent doctor`", step.__name__.strip("_"), error)


def restore(run_dir: Path) -> None:
    """Take back what changes the host's behaviour, before the run directory is unmounted; the hugetlb hierarchy stays, other
    runtimes may be using it."""
    mark = run_dir / _MARK
    if mark.exists():
        _remount_unified(without=True)
        mark.unlink()


def missing_hugetlb(hierarchy: cgroups.Hierarchy) -> Path | None:
    """Where hugetlb is to be mounted for crun; None when nothing is missing."""
    if hierarchy.version is not cgroups.Version.HYBRID or "hugetlb" not in hierarchy.unified_controllers:
        return None
    return hierarchy.controllers["memory"].parent / "hugetlb"


def _keep_in_memory(run_dir: Path) -> None:
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if _is_tmpfs(run_dir) or any(run_dir.iterdir()):
        return
    try:
        kernel.mount("slipway", str(run_dir), "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, _RUN_OPTIONS)
    except PermissionError as error:
        log.debug("%s stays on its disk: %s", run_dir, error)


def _is_tmpfs(path: Path) -> bool:
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[2] == number:
            return after.split()[0] == "tmpfs"
    return False


def _mount_hugetlb(run_dir: Path) -> None:
    target = missing_hugetlb(cgroups.detect())
    if target is not None:
        target.mkdir(exist_ok=True)
        kernel.mount("cgroup", str(target), "cgroup", data="hugetlb")


def _favour_moves(run_dir: Path) -> None:
    options = _unified_options()
    if options is None or _MARK in options[2]:
        return
    try:
        _remount_unified(without=False)
    except OSError as error:
        log.debug("cgroups are not mounted with favordynmods: %s", error)  # before Linux 6.0
        return
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / _MARK).touch()


def _remount_unified(*, without: bool) -> None:
    found = _unified_options()
    if found is None:
        return
    target, flags, data = found
    kept = [option for option in data if option not in (_MARK, "rw", "ro")]
    kernel.mount("cgroup2", target, "cgroup2", kernel.MS_REMOUNT | flags, ",".join(kept if without else [*kept, _MARK]))


def _unified_options() -> tuple[str, int, list[str]] | None:
    """(mount point, mount flags, options of the file system) of the version 2 hierarchy: a remount must repeat them."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            flags = 0
            for option in before.split()[5].split(","):
                flags |= _FLAGS.get(option, 0)
            return before.split()[4], flags, options.split(",")
    return None
