"""What a container sees, and what it may do: as with Docker."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from nodeagent import kernel
from nodeagent.facilities import Mount
from tests.agent.host import needs_host
from tests.agent.runtime_machine import drain, found

pytestmark = needs_host

DOCKERS_DEFAULT = 0x00000000A80425FB
"""CapBnd of a process that Docker runs with its defaults."""


"""CapBnd of a process that Docker runs with its defaults."""


async def test_default_rights_equal_dockers(any_machine):
    _, text = await any_machine.run("cat", "/proc/self/status")
    masks = {name: int(mask, 16) for name, mask in re.findall(r"Cap(\w+):\s+([0-9a-f]+)", text)}
    assert masks == {"Inh": 0, "Amb": 0, "Bnd": DOCKERS_DEFAULT, "Prm": DOCKERS_DEFAULT, "Eff": DOCKERS_DEFAULT}
    assert re.search(r"Seccomp:\s+2", text), "a filter is on"


async def test_a_filter_that_was_kept_filters_as_the_first_did(machine):
    """crun compiles the filter for the first container only; exec uses it too."""
    refused = ("sh", "-c", "grep -E '^Seccomp' /proc/self/status; unshare -U true || echo refused")
    outputs = [(await machine.run(*refused))[1] for _ in range(2)]
    # Two streams, and so in either order.
    assert sorted(outputs[0].splitlines()) == sorted(outputs[1].splitlines())
    assert "Seccomp:\t2" in outputs[1]
    assert "refused" in outputs[1]
    plan = await machine.start("sleep", "1000")
    assert "seccomp_bpf_data" in (plan.bundle / "config.json").read_text()
    session = await machine.runtime.exec(plan.container_id, refused, tty=False, stdin=False)
    assert "refused" in (await drain(session))[1].decode()
    await session.close()


async def test_kernel_files_are_masked_or_read_only(any_machine):
    script = """
        for f in /proc/kcore /proc/keys /proc/timer_list; do [ -e $f ] && [ -n "$(head -c1 $f)" ] && echo leak $f; done
        for d in /proc/scsi /sys/firmware /proc/acpi; do [ -d $d ] && [ -n "$(ls -A $d)" ] && echo leak $d; done
        echo 1 > /proc/sys/kernel/sysrq && echo wrote sysctl
        echo b > /proc/sysrq-trigger && echo wrote sysrq
        mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x && echo made cgroup
        mount -t tmpfs x /root && echo mounted
        mknod /root/disk b 254 0; [ -n "$(head -c1 /root/disk)" ] && echo read disk
        unshare -U true && echo made user namespace
        ls /dev
    """
    _, text = await any_machine.run("sh", "-c", f"{{ {script} }} 2>/dev/null")
    lines = text.split()
    assert not {"leak", "wrote", "made", "mounted", "read"} & set(lines), text
    assert set(lines) >= {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm"}
    assert not any(name.startswith(("vd", "sd", "kmsg", "mem", "loop", "fuse")) for name in lines)


async def test_only_its_own_processes_and_cgroup_are_seen(machine):
    _, text = await machine.run("sh", "-c", "cat /proc/1/comm /proc/self/cgroup; true")
    assert text.splitlines()[0] == "sh"
    assert machine.settings.cgroup_parent not in text


async def test_a_user_cannot_gain_privileges(machine, busybox_root, tmp_path):
    # busybox gives root away by itself; catatonit, as pid 1, shows what it has got.
    suid = tmp_path / "suid"
    suid.write_bytes(Path(shutil.which("catatonit") or pytest.skip("needs catatonit")).read_bytes())
    suid.chmod(0o4755)
    command = ("/suid", "--", "grep", "-E", "NoNewPrivs|CapEff|Uid", "/proc/1/status")
    mount = (Mount(suid, "/suid"),)
    _, text = await machine.run(*command, mounts=mount, securityContext={"runAsUser": 1000})
    assert re.search(r"Uid:\s+1000\s+0", text), "without the setting the file does give root: the test tests something"
    context = {"runAsUser": 1000, "allowPrivilegeEscalation": False}
    _, text = await machine.run(*command, mounts=mount, securityContext=context)
    assert re.search(r"NoNewPrivs:\s+1", text)
    assert re.search(r"Uid:\s+1000\s+1000", text)
    assert re.search(r"CapEff:\s+0+\n", text)


async def test_users_groups_and_read_only_roots(machine):
    context = {"runAsUser": 1000, "readOnlyRootFilesystem": True}
    _, text = await machine.run(
        "sh", "-c", "id; touch /tmp/x || echo read-only",
        spec={"securityContext": {"fsGroup": 77, "supplementalGroups": [88]}}, securityContext=context,
    )  # fmt: skip
    assert "uid=1000(app) gid=1001(app)" in text
    assert set(found(r"groups=(\S+)", text).split(",")) >= {"77", "88", "1002(extra)"}
    assert "read-only" in text


async def test_privileged_sees_devices_and_has_every_right(machine):
    _, text = await machine.run(
        "sh", "-c", "grep -E 'CapBnd|Seccomp:' /proc/self/status; ls /dev", securityContext={"privileged": True}
    )
    own = found(r"CapBnd:\s+(\w+)", Path("/proc/self/status").read_text())
    assert f"CapBnd:\t{own}" in text
    assert re.search(r"Seccomp:\s+0", text)
    assert "kmsg" in text


async def test_read_only_mounts_are_so_all_the_way_down(machine, tmp_path):
    (tmp_path / "inner").mkdir()
    kernel.mount("t", str(tmp_path / "inner"), "tmpfs")
    try:
        _, text = await machine.run(
            "sh", "-c", "touch /v/x || echo outer held; touch /v/inner/x || echo inner held",
            mounts=(Mount(tmp_path, "/v", read_only=True),),
        )  # fmt: skip
    finally:
        kernel.unmount(str(tmp_path / "inner"))
    assert "outer held" in text
    assert "inner held" in text
