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
