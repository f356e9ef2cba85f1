"""Idle memory (PSS) and processor time of all processes of an instance; beside dockerd and containerd where they run.

python -m benchmarks.footprint [--seconds 30] [--pods 0]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from tests import images, registry
from tests.cluster.instance import children_of, command_line, running, supervisor_pid
from tests.cluster.pods import container, pod

TICKS = os.sysconf("SC_CLK_TCK")


def descendants(pid: int) -> list[int]:
    return [pid, *(one for child in children_of(pid) for one in descendants(child))]


def pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError("no Pss in smaps_rollup")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def label(pid: int) -> str:
    line = command_line(pid)
    names = ("supervisor", "redis-server", "controlplane.serve", "celery", "nodeagent")
    return next((name for name in names if name in line), line[:40])


def peers() -> list[int]:
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _is_docker(int(p.name))]


def _is_docker(pid: int) -> bool:
    # A zombie has a command line of nothing.
    return command_line(pid).split(" ")[0].rsplit("/", 1)[-1] in {"dockerd", "containerd"}


def table(title: str, pids: list[int], seconds: float, before: dict[int, float]) -> None:
    total, busy = 0.0, 0.0
    print(title)
    for pid in pids:
        memory, share = pss_bytes(pid) / 2**20, (cpu_seconds(pid) - before[pid]) / seconds * 100
        total, busy = total + memory, busy + share
        print(f"  {label(pid):<24}{memory:>8.1f} MB{share:>8.2f} % of a core")
    print(f"  {'together':<24}{total:>8.1f} MB{busy:>8.2f} % of a core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--pods", type=int, default=0)
    options = parser.parse_args()
    with registry.start() as store, running() as instance:
        image = images.busybox().push(store, "busybox:latest")
        for number in range(options.pods):
            instance.create(pod(f"idle-{number}", container("main", image)))
        for number in range(options.pods):
            instance.wait_running(f"idle-{number}")
        time.sleep(10)  # let what the start began come to rest
        ours, theirs = descendants(supervisor_pid(instance.home)), peers()
        ours = [pid for pid in ours if command_line(pid)]  # the one that said "ready" has ended by now
        before = {pid: cpu_seconds(pid) for pid in [*ours, *theirs]}
        time.sleep(options.seconds)
        table(f"slipway, {options.pods} pods", ours, options.seconds, before)
        if theirs:
            table("docker", theirs, options.seconds, before)


if __name__ == "__main__":
    main()
