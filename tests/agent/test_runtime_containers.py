"""The life of real containers, and their limits: crun and runc under conmon."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nodeagent.errors import CreateError
from nodeagent.facilities import Mount
from nodeagent.runtime import cgroups
from tests.agent.host import needs_host, until
from tests.agent.runtime_machine import POD_UID, conmons, directory, leftovers, output, usage

pytestmark = needs_host


# --- life ---------------------------------------------------------------------------------------------------------


async def test_a_container_runs_logs_and_ends_with_its_code(any_machine):
    code, text = await any_machine.run("sh", "-c", "echo $FROM $HOSTNAME; echo to stderr >&2; exit 7")
    assert code == 7
    assert sorted(text.split("\n")) == ["", "image box", "to stderr"]


async def test_a_signal_is_128_and_its_number(any_machine):
    plan = await any_machine.start("sleep", "1000")
    await any_machine.runtime.kill(plan.container_id, "SIGKILL")
    end = await any_machine.exit()
    assert (end.code, end.oom_killed) == (137, False)
    await any_machine.runtime.kill(plan.container_id, "SIGTERM")  # gone: nothing happens


async def test_a_trapped_signal_lets_the_process_end_itself(machine):
    plan = await machine.start("sh", "-c", "trap 'exit 3' TERM; echo ready; while true; do sleep 0.05; done")
    await until(lambda: "ready" in output(plan))
    await machine.runtime.kill(plan.container_id, "SIGTERM")
    assert (await machine.exit()).code == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nosuch",), r'exec: "nosuch": executable file not found in \$PATH'),
        (("/no/such",), r'exec: "/no/such": no such file or directory'),
        (("/etc/passwd",), r'exec: "/etc/passwd": permission denied'),
    ],
)
async def test_a_command_that_cannot_run_says_so(any_machine, args, message):
    plan = any_machine.plan(*args)

    async def create_and_start():  # which of both finds out depends on the runtime
        await any_machine.runtime.create(plan)
        await any_machine.runtime.start(plan.container_id)

    with pytest.raises(CreateError, match=message):
        await create_and_start()
    await any_machine.runtime.delete(plan.container_id)
    assert not plan.bundle.exists()
    assert leftovers(any_machine) == set()


async def test_a_missing_mount_source_says_so(machine):
    plan = machine.plan("true", mounts=(Mount(Path("/no/such/source"), "/data"),))
    with pytest.raises(CreateError, match="/no/such/source"):
        await machine.runtime.create(plan)


async def test_deleting_a_running_container_leaves_nothing(any_machine):
    plan = await any_machine.start("sh", "-c", "sleep 1000 & sleep 1000; true")
    await until(lambda: len(cgroups.detect().processes(any_machine.cgroup(plan))) >= 3)
    pids = cgroups.detect().processes(any_machine.cgroup(plan))
    await any_machine.runtime.delete(plan.container_id)
    await any_machine.runtime.delete(plan.container_id)
    assert leftovers(any_machine) == set()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_creating_and_starting_again_finds_it_done(machine):
    plan = await machine.start("sleep", "1000")
    first = await machine.runtime.start(plan.container_id)
    await machine.runtime.create(plan)
    assert await machine.runtime.start(plan.container_id) == first
    assert len(conmons(plan.container_id)) == 1


async def test_many_cycles_leak_nothing(machine):
    await machine.run("true")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        plans = [machine.plan("true") for _ in range(4)]

        async def cycle(plan):
            await machine.runtime.create(plan)
            await machine.runtime.start(plan.container_id)
            await machine.runtime.delete(plan.container_id)

        await asyncio.gather(*(cycle(plan) for plan in plans))
    assert leftovers(machine) == set()
    mounted = Path("/proc/self/mountinfo").read_text()
    assert f"{machine.settings.run_dir}/" not in mounted  # itself it may be a mount
    assert str(machine.root) not in mounted
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


# --- limits -------------------------------------------------------------------------------------------------------


async def test_a_cpu_hog_is_held_to_its_quota(machine):
    plan = await machine.start("sh", "-c", "while true; do :; done", resources={"limits": {"cpu": "100m"}})
    await until(lambda: usage(machine.cgroup(plan)).throttled_periods >= 5)
    cpu = directory("cpu", machine.cgroup(plan))
    name = "cpu.cfs_quota_us" if (cpu / "cpu.cfs_quota_us").exists() else "cpu.max"
    assert (cpu / name).read_text().split()[0] == "10000"


async def test_a_memory_hog_is_killed_and_flagged(any_machine):
    hog = "x=0123456789; while true; do x=$x$x; done"
    await any_machine.start("sh", "-c", hog, resources={"limits": {"memory": "16Mi"}})
    end = await any_machine.exit()
    assert (end.code, end.oom_killed) == (137, True)


async def test_a_fork_bomb_stops_at_the_pids_limit(machine):
    # The inner shell ends when it cannot fork; what it has started stays.
    bomb = "while true; do sleep 1000 & done"
    plan = await machine.start("sh", "-c", f"sh -c '{bomb}'; exec sleep 1000", pids=20)
    parent = cgroups.pod_path(machine.settings.cgroup_parent, POD_UID)
    levels = [directory("pids", path) for path in (parent, machine.cgroup(plan))]
    assert [(level / "pids.max").read_text().strip() for level in levels] == ["20", "20"]
    await until(lambda: any("max 0" not in (level / "pids.events").read_text() for level in levels))
    assert 10 < usage(machine.cgroup(plan)).pids <= 20


async def test_limits_change_while_it_runs(any_machine):
    plan = await any_machine.start("sleep", "1000", resources={"limits": {"memory": "32Mi"}})
    await any_machine.runtime.update(plan.container_id, {"memory": {"limit": 64 << 20, "swap": 64 << 20}})
    memory = directory("memory", any_machine.cgroup(plan))
    name = "memory.limit_in_bytes" if (memory / "memory.limit_in_bytes").exists() else "memory.max"
    assert int((memory / name).read_text()) == 64 << 20
