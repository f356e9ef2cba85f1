"""`make down` leaves nothing of an instance on the host; two instances live side by side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from schema.instance import instance_id as instance_id_of
from tests.cluster.instance import running
from tests.cluster.pods import container, pod


def devices() -> set[str]:
    return {device.name for device in Path("/sys/class/net").iterdir()}


def ports_of(agent_id: str) -> set[str]:
    """The host's ends of the pods' interfaces of this agent; others may be running beside it."""
    return {device.name for device in Path("/sys/class/net").iterdir() if (device / f"upper_slip{agent_id}").exists()}


def traces(instance_id: str, home: Path) -> list[str]:
    """Whatever on this host carries the instance's mark, or its agent's, which has a home of its own."""
    found = []
    agent_id = instance_id_of(home / "node")
    found += [name for name in devices() if name == f"slip{agent_id}"]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    found += [line for line in tables.splitlines() if agent_id in line]
    mounts = Path("/proc/self/mounts").read_text()
    found += [line for line in mounts.splitlines() if str(home) in line or f"slipway-{instance_id}" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/slipway-{instance_id}*")]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if str(home) in line or f"slipway-{instance_id}" in line:
                found.append(line)
    return found


def test_two_instances_live_side_by_side_and_leave_the_host_clean(busybox: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("containers need root")
    with running() as one, running() as other:
        for instance in (one, other):
            instance.create(pod("same-name", container("main", busybox)))
        pods = [instance.wait_running("same-name") for instance in (one, other)]
        assert pods[0]["status"]["podIP"] != pods[1]["status"]["podIP"]
        assert traces(one.id, one.home)
        agents = [instance_id_of(each.home / "node") for each in (one, other)]
        assert all(f"slip{agent}" in devices() for agent in agents)
        veths = set().union(*(ports_of(agent) for agent in agents))
        assert len(veths) >= 2
    for instance in (one, other):
        assert traces(instance.id, instance.home) == []
    assert not veths & devices()
