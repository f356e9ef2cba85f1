"""A lab begins whole or not at all, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.instance.lab import plan, state
from controlplane.instance.lab.state import Places
from schema.instance import instance_id
from tests.cluster.instance import ROOT, children_of, prepare, wait_for
from tests.cluster.lab import Lab, lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(scope="module")
def five() -> Iterator[Lab]:
    with lab(nodes=5) as made:
        yield made


def test_five_nodes_are_ready(five: Lab) -> None:
    """In under ten seconds on a quiet machine; how long it took is printed, and the processor time with it."""
    took = wait_for("the greeting", lambda: greeting(five))
    assert five.process is not None
    print(f"five nodes after {took}; {work_seconds(five.process.pid):.1f} s of processor")
    for node in five.nodes:
        five.wait_node(node)


def work_seconds(pid: int) -> float:
    """Of processor, for the process and all that it has started, until now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = children_of(pid)
    except (FileNotFoundError, ProcessLookupError):  # its parent has it among those that have ended
        return 0.0
    own = sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")  # and of children that have ended
    return own + sum(work_seconds(child) for child in children)


def test_down_leaves_nothing(five: Lab) -> None:
    places = [five.places(node) for node in five.nodes[1:]]
    assert len(traces(five, places)) > len(places)
    assert not any(Path("/sys/class/net", f"slip{place.id}").exists() for place in places), "not in their namespaces"
    outcome = five.down()
    assert outcome.returncode == 0, outcome.stderr
    assert traces(five, places) == []
    refused = five.manage("lab", "partition", "node-2", check=False)
    assert refused.returncode == 1
    assert "not up" in refused.stderr
    assert traces(five, places) == []


def traces(cluster: Lab, places: list[Places]) -> list[str]:
    """Whatever on this host is the lab's."""
    identifier = instance_id(cluster.home)
    paths = [Path("/sys/class/net", plan.bridge_name(identifier)), state.pins(cluster.layout)]
    paths += [path for place in places for path in (place.namespace, place.run_dir)]
    paths += [path for place in places for path in Path("/sys/fs/cgroup").glob(f"**/{place.cgroup_parent}")]
    paths += [Path("/sys/class/net", plan.interface_name(identifier, node)) for node in cluster.nodes]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    mounts = Path("/proc/self/mounts").read_text()
    words = [identifier, *(place.id for place in places)]
    return [str(path) for path in paths if path.exists()] + [word for word in words if word in tables + mounts]


def greeting(cluster: Lab) -> str | None:
    words = (cluster.home.parent / "up.log").read_text().partition("5 nodes are Ready after ")[2].split()
    return words[0] if words else None


def test_a_range_of_the_host_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    veth = f"clash{os.getpid()}"
    subprocess.run(["ip", "link", "add", veth, "type", "veth", "peer", "name", f"{veth}b"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "198.51.100.129/25", "dev", veth], check=True)
        instance = prepare(tmp_path, SLIPWAY_LAB_NETWORK="198.51.100.128/26")
        done = subprocess.run(
            [*instance.up_command(), "--nodes", "3", "--prepare-only"],
            cwd=ROOT,
            env=dict(instance.environment),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 1
        assert "198.51.100.128/26 overlaps 198.51.100.128/25" in done.stderr
        assert veth in done.stderr
        assert "SLIPWAY_LAB_NETWORK" in done.stderr
        assert not Path("/sys/class/net", plan.bridge_name(instance_id(instance.home))).exists()
        assert not (instance.home / "nodes").exists()
    finally:
        subprocess.run(["ip", "link", "del", veth], check=True)
