"""From counters to what was used between two readings."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeagent.metrics import rates, reading
from nodeagent.metrics.rates import ContainerReading, Counters, PodReading, Reading
from nodeagent.runtime import cgroups
from nodeagent.runtime.cgroups import Hierarchy, Version

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pod(*, cpu: float, container_id: str = "c-0", started: float = -100.0, received: int = 0) -> PodReading:
    counters = Counters(cpu_seconds=cpu, memory_bytes=7, received_bytes=received)
    one = ContainerReading(container_id, later(started), Counters(cpu_seconds=cpu, memory_bytes=7))
    return PodReading("default", "web", counters, {"main": one})


def test_rates_are_by_second_and_memory_is_what_it_is():
    before = Reading(NOW, Counters(cpu_seconds=10, read_bytes=100), {"u": pod(cpu=1, received=1000)})
    after = Reading(
        later(10), Counters(cpu_seconds=15, read_bytes=600, memory_bytes=9), {"u": pod(cpu=3, received=6000)}
    )
    metrics = rates.between(before, after)
    assert metrics is not None
    assert (metrics.node.cpu_cores, metrics.node.read_bytes, metrics.node.memory_bytes) == (0.5, 50, 9)
    [web] = metrics.pods
    assert (web.containers["main"].cpu_cores, web.containers["main"].memory_bytes) == (0.2, 7)
    assert web.usage.received_bytes == 500
    assert metrics.window_seconds == 10


@pytest.mark.parametrize(
    ("container_id", "started", "cores"),
    [("c-0", -100, 0.2), ("c-1", 6, 0.75), ("c-1", 9.9, None)],
    ids=["the same", "restarted in between", "too young"],
)
def test_a_container_counts_from_its_own_start(container_id, started, cores):
    before = Reading(NOW, Counters(), {"u": pod(cpu=1)})
    after = Reading(later(10), Counters(), {"u": pod(cpu=3, container_id=container_id, started=started)})
    metrics = rates.between(before, after)
    assert metrics is not None
    found = metrics.pods[0].containers.get("main")
    assert (found and found.cpu_cores) == cores


def test_readings_that_are_too_close_say_nothing():
    assert rates.between(Reading(NOW, Counters()), Reading(later(0.1), Counters())) is None


counters = st.builds(Counters, **{each.name: st.integers(0, 10**12) for each in fields(Counters)})


@given(counters, counters, st.floats(0.5, 1000))
def test_nothing_used_is_ever_negative_and_pressure_is_a_percentage(before, after, seconds):
    used = rates.used(before, after, seconds)
    assert all(value >= 0 for value in used.model_dump().values())
    assert all(p <= 100 for p in (used.cpu_pressure, used.memory_pressure, used.io_pressure) if p is not None)


def test_without_pressure_information_there_is_none():
    assert rates.used(Counters(), replace(Counters(), cpu_stalled_seconds=1), 10).cpu_pressure == 10
    assert rates.used(Counters(), Counters(), 10).cpu_pressure is None


# What is read


DISKS = """\
   7       0 loop0 9 9 9 9 9 9 9 9 9 9 9
 254       0 vda 1 0 100 0 1 0 200 0 0 0 0
 254       1 vda1 1 0 90 0 1 0 190 0 0 0 0
 259       0 nvme0n1 1 0 10 0 1 0 20 0 0 0 0
 259       1 nvme0n1p1 1 0 9 0 1 0 19 0 0 0 0
 253       0 dm-0 1 0 100 0 1 0 200 0 0 0 0
"""
DEVICES = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     500      1    0    0    0     0          0         0      500       1    0    0    0     0       0          0
  eth0: 1234567      1    0    0    0     0          0         0     7654       1    0    0    0     0       0          0
"""


def test_whole_disks_count_and_their_partitions_do_not():
    assert reading.disks(DISKS) == (110 * 512, 220 * 512)


def test_traffic_is_by_interface():
    assert reading.traffic(DEVICES) == {"lo": (500, 500), "eth0": (1234567, 7654)}


def test_a_busy_second_is_neither_idle_nor_waiting():
    assert reading.busy_seconds("cpu  100 50 50 1000 900 10 40 5 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == 2.5


def files(directory: Path, **contents: str) -> Path:
    directory.mkdir(parents=True)
    for name, text in contents.items():
        (directory / name.replace("__", ".")).write_text(text)
    return directory


def test_version_2_is_read(tmp_path):
    stall = "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
    files(
        tmp_path / "a",
        cpu__stat="usage_usec 1500000\n",
        memory__current="1000\n",
        memory__stat="inactive_file 300\n",
        io__stat="8:0 rbytes=10 wbytes=20 rios=1 wios=1\n8:16 rbytes=1 wbytes=2\n",
        cpu__pressure=stall,
    )
    hierarchy = Hierarchy(Version.V2, {}, tmp_path, frozenset({"cpu", "memory", "io"}))
    found = reading.of_cgroup(hierarchy, "/a")
    assert found == Counters(1.5, 700, read_bytes=11, written_bytes=22, cpu_stalled_seconds=2.5)
    assert reading.of_cgroup(hierarchy, "/gone") is None


def test_version_1_is_read(tmp_path):
    files(tmp_path / "cpu/a", cpuacct__usage="1500000000\n")
    files(tmp_path / "memory/a", memory__usage_in_bytes="1000\n", memory__stat="total_inactive_file 300\n")
    bytes_ = "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:0 Total 30\nTotal 30\n"
    files(tmp_path / "blkio/a", blkio__throttle__io_service_bytes_recursive=bytes_)
    roots = {"cpu": tmp_path / "cpu", "cpuacct": tmp_path / "cpu"}
    roots |= {"memory": tmp_path / "memory", "blkio": tmp_path / "blkio"}
    found = reading.of_cgroup(Hierarchy(Version.V1, roots, None), "/a")
    assert found == Counters(1.5, 700, read_bytes=10, written_bytes=20)


def test_a_hybrids_pressure_counts_only_where_something_lives(tmp_path):
    here = files(tmp_path / "a", cgroup__events="populated 1\n", io__pressure="some avg10=0 total=1000000\n")
    hierarchy = Hierarchy(Version.HYBRID, {"memory": tmp_path / "memory"}, tmp_path)
    assert hierarchy.stalled_seconds("/a", "io") == 1.0
    (here / "cgroup.events").write_text("populated 0\n")
    assert hierarchy.stalled_seconds("/a", "io") is None


def test_this_host_can_be_read():
    found = reading.read([], cgroup_parent="none", now=NOW)
    assert found.node.cpu_seconds > 0
    assert found.node.memory_bytes > 0
    assert cgroups.detect().usage("/no/such/cgroup") is None
