"""What pods of an instance have on this host: processes, cgroups, interfaces, mounts, addresses, rules, directories."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from schema.instance import instance_id
from tests.cluster.instance import Instance

_IN_HOME = ("pods", "checkpoint/pods", "images/roots", "images/staging", "images/rubbish")
_IN_RUN = ("containers", "exec", "exits", "pods")
_ADDRESS = re.compile(r"\b(\d+\.\d+\.\d+\.\d+)\b(?!/)")


def of(instance: Instance) -> set[str]:
    """A line for each thing. Nothing but pods makes any of them come or go."""
    node, run = instance.home / "node", Path(f"/run/slipway-{instance.id}")
    found = {f"directory {each}" for part in _IN_HOME for each in _children(node / part)}
    found |= {f"directory {each}" for part in _IN_RUN for each in _children(run / part)}
    found |= {f"cgroup {each}" for each in _cgroups(instance)}
    found |= {f"process {line}" for line in _processes(instance)}
    # A free address keeps an empty file: it is the order in which addresses are used again.
    found |= {f"address {each.name}" for each in _children(node / "network/addresses") if each.read_text().strip()}
    bridge = f"slip{instance_id(node)}"
    found |= {
        f"interface {each.name}" for each in _children(Path("/sys/class/net")) if (each / f"upper_{bridge}").exists()
    }
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    places = {line.split()[1] for line in mounts}
    # The run directory is a mount of the agent's own where the host has it on a disk.
    found |= {f"mount {each}" for each in places if each.startswith((f"{instance.home}/", f"{run}/"))}
    return found | set(_rules(bridge))


def _children(directory: Path) -> list[Path]:
    return list(directory.iterdir()) if directory.is_dir() else []


def _cgroups(instance: Instance) -> Iterator[str]:
    for directory, names, _ in os.walk("/sys/fs/cgroup"):  # unlike glob it does not mind what goes meanwhile
        if f"/slipway-{instance.id}" in directory:
            yield from (f"{directory}/{name}" for name in names if name.startswith("pod"))


def _processes(instance: Instance) -> Iterator[str]:
    """Their monitors, and what is in their cgroups."""
    for process in _children(Path("/proc")):
        try:
            line = (process / "cmdline").read_text().replace("\0", " ") if process.name.isdigit() else ""
            groups = (process / "cgroup").read_text() if line else ""
        except OSError:
            continue
        if f"slipway-{instance.id}/" in groups or ("conmon" in line and f"slipway-{instance.id}" in line):
            yield line


def _rules(bridge: str) -> Iterator[str]:
    """Addresses of pods in the tables of the agent. The bridge's own is there for as long as the agent is."""
    own = subprocess.run(["ip", "-4", "-o", "addr", "show", bridge], capture_output=True, text=True, check=False).stdout
    listed = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    network = ".".join(own.split()[3].split(".")[:3]) if own else "none"
    ours = own.split()[3].split("/")[0] if own else ""
    for line in listed.splitlines():
        for address in _ADDRESS.findall(line):
            if address.startswith(f"{network}.") and address not in (ours, f"{network}.0"):
                yield f"rule {line.strip()}"
