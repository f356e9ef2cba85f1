"""Containers outlive their agent, and the next one takes them over."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from nodeagent.facilities import ContainerPlan, Mount
from nodeagent.runtime import cgroups
from nodeagent.runtime.oci import OciRuntime
from tests.agent.host import needs_host, until
from tests.agent.runtime_machine import POD_UID, Machine, conmons, leftovers

pytestmark = needs_host


async def test_containers_outlive_the_agent_and_are_adopted(machine, tmp_path):
    """A second Python process plays the agent that is killed, by SIGKILL to its whole process group."""
    running, ending, orphan = (
        machine.plan("sh", "-c", "while true; do echo tick; sleep 0.05; done"),
        machine.plan(
            "sh", "-c", "while [ ! -e /tmp/end ]; do sleep 0.01; done; exit 5", mounts=(Mount(tmp_path, "/tmp"),)
        ),
        machine.plan("sleep", "1000"),
    )
    await _start_in_another_process(machine, running, ending, orphan)
    size = running.log.stat().st_size
    (tmp_path / "end").touch()
    await until(lambda: (machine.settings.run_dir / "exits" / ending.container_id).exists())
    for pid in conmons(orphan.container_id):
        os.kill(pid, signal.SIGKILL)
    await until(lambda: not conmons(orphan.container_id))

    found, exits = await machine.runtime.adopt()

    assert [(r.container_id, r.pod_uid, r.name, r.attempt) for r in found] == [
        (running.container_id, POD_UID, "main", running.attempt)
    ]
    assert {e.container_id: e.code for e in exits} == {ending.container_id: 5, orphan.container_id: 137}
    # A container without its conmon is killed.
    await until(lambda: not cgroups.detect().processes(machine.cgroup(orphan)))
    await until(lambda: running.log.stat().st_size > size)
    await machine.runtime.kill(running.container_id, "SIGKILL")
    assert (await machine.exit()).container_id == running.container_id


async def _start_in_another_process(machine: Machine, *plans: ContainerPlan) -> None:
    script = textwrap.dedent("""
        import asyncio, os, pickle, signal, sys
        from nodeagent.runtime.oci import OciRuntime
        settings, plans = pickle.load(sys.stdin.buffer)
        async def main():
            runtime = OciRuntime(settings)
            runtime.start_watching()
            for plan in plans:
                await runtime.create(plan)
                await runtime.start(plan.container_id)
            os.killpg(0, signal.SIGKILL)
        asyncio.run(main())
    """)
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdin=subprocess.PIPE, start_new_session=True, cwd=Path(__file__).parents[2]
    )
    await agent.communicate(pickle.dumps((machine.settings, plans)))
    assert agent.returncode == -signal.SIGKILL


async def test_a_container_created_and_not_started_is_not_adopted(machine):
    plan = machine.plan("sleep", "1000")
    await machine.runtime.create(plan)
    second = OciRuntime(machine.settings)
    assert await second.adopt() == ([], [])
    await second.close()
    assert leftovers(machine) == set()


async def test_a_killed_conmon_is_noticed_at_once(machine):
    plan = await machine.start("sleep", "1000")
    for pid in conmons(plan.container_id):
        os.kill(pid, signal.SIGKILL)
    assert (await machine.exit()).code == 137
    await until(lambda: not cgroups.detect().processes(machine.cgroup(plan)))


async def test_conmon_is_in_a_session_and_cgroup_of_its_own(machine):
    plan = await machine.start("sleep", "1000")
    await until(lambda: len(conmons(plan.container_id)) == 1)  # the one that forked it goes by itself
    (pid,) = conmons(plan.container_id)
    assert os.getsid(pid) != os.getsid(0)
    inside = cgroups.of_process(int((plan.bundle / "pidfile").read_text()))
    assert cgroups.of_process(pid)["memory"] != inside["memory"]
    assert plan.container_id not in str(cgroups.of_process(pid))
