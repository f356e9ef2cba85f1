"""Reading cgroup layouts and runtime messages, from text."""

from __future__ import annotations

import pytest

from nodeagent.runtime import cgroups, messages

V1 = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
"""


def test_version_1_and_its_shared_hierarchies():
    found = cgroups.detect(V1)
    assert found.version is cgroups.Version.V1
    assert str(found.directory("cpuacct", "/a/b")) == "/sys/fs/cgroup/cpu,cpuacct/a/b"
    assert len(found.roots) == 4
    assert found.directory("hugetlb", "/a") is None


def test_version_2(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids io\n")
    found = cgroups.detect(f"31 23 0:28 / {tmp_path} rw - cgroup2 cgroup2 rw,nsdelegate\n")
    assert found.version is cgroups.Version.V2
    assert found.roots == [tmp_path]
    assert found.directory("memory", "/a") == tmp_path / "a"


def test_hybrid_with_a_controller_left_on_version_2(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("hugetlb\n")
    found = cgroups.detect(V1 + f"41 31 0:38 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    assert found.version is cgroups.Version.HYBRID
    assert found.directory("hugetlb", "/a") == tmp_path / "a"
    assert str(found.directory("memory", "/a")) == "/sys/fs/cgroup/memory/a"


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (0, 1)])
def test_shares_become_weights(shares, weight):
    assert cgroups.cpu_weight(shares) == weight


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("executable file `nosuch` not found in $PATH: No such file or directory",
         'exec: "nosuch": executable file not found in $PATH'),
        ('unable to start container process: exec: "/no": stat /no: no such file or directory: unknown',
         'exec: "/no": no such file or directory'),
        ("open executable: Permission denied", 'exec: "cmd": permission denied'),
        ("", "the runtime failed without saying why"),
        ("mount `/x` to `y`: No such file or directory", "mount `/x` to `y`: No such file or directory"),
    ],
)  # fmt: skip
def test_refusals_become_sentences(said, expected):
    assert messages.humanise(said, command="cmd") == expected


def test_the_last_error_of_a_log_counts():
    log = '{"level":"warning","msg":"w"}\n{"level":"error","msg":"first"}\n{"level":"error","msg":"last"}\n'
    assert messages.last_error(log) == "last"
    assert messages.last_error("plain words\n") == "plain words"
    assert messages.last_error("") == ""


def test_exit_codes_are_a_shells():
    assert messages.exit_code("executable file not found in $PATH") == 127
    assert messages.exit_code("permission denied") == 126


def test_version_2_hands_controllers_down_and_writes_limits(tmp_path):
    """Plain files play the kernel's: what is written where is what counts."""
    levels = [tmp_path, tmp_path / "slipway", tmp_path / "slipway/pod1"]
    for level in levels:
        level.mkdir(exist_ok=True)
        (level / "cgroup.controllers").write_text("cpu memory pids misc")
        (level / "cgroup.subtree_control").write_text("memory")
    for name in ("cpu.weight", "cpu.max", "memory.max", "pids.max"):
        (levels[-1] / name).touch()
    hierarchy = cgroups.Hierarchy(cgroups.Version.V2, {}, tmp_path, frozenset({"cpu", "memory", "pids"}))

    hierarchy.create("/slipway/pod1", {"cpu": {"shares": 1024, "quota": 50_000}, "memory": {"limit": 4096}})

    for level in levels:
        assert (level / "cgroup.subtree_control").read_text() == "+cpu +pids"
    values = {name: (levels[-1] / name).read_text() for name in ("cpu.weight", "cpu.max", "memory.max", "pids.max")}
    assert values == {"cpu.weight": "39", "cpu.max": "50000 100000", "memory.max": "4096", "pids.max": "max"}


def test_version_2_usage_is_read(tmp_path):
    files = {
        "cpu.stat": "usage_usec 2500000\nnr_throttled 7\n",
        "memory.current": "10000\n",
        "memory.stat": "anon 5000\ninactive_file 3000\n",
        "memory.events": "low 0\noom 2\noom_kill 1\n",
        "memory.pressure": "some avg10=12.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00\n",
        "pids.current": "3\n",
    }
    (tmp_path / "a").mkdir()
    for name, text in files.items():
        (tmp_path / "a" / name).write_text(text)
    hierarchy = cgroups.Hierarchy(cgroups.Version.V2, {}, tmp_path, frozenset({"cpu", "memory", "pids"}))
    assert hierarchy.usage("/a") == cgroups.Usage(2.5, 7, 7000, 3, 1, 12.5)
    assert hierarchy.oom_kills("/a") == 1
    assert hierarchy.usage("/gone") is None
