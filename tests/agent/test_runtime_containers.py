"""The life of real containers: crun and runc under conmon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nodeagent import kernel
from nodeagent.errors import CreateError, NotRunning
from nodeagent.facilities import ContainerPlan, Exit, ImageConfig, Mount, Sandbox
from nodeagent.runtime import assemble, cgroups
from nodeagent.runtime.oci import OciRuntime
from nodeagent.settings import Settings
from schema.base import Wire
from tests.agent import host
from tests.agent.host import needs_host, pod, until
from tests.agent.patience import patience

pytestmark = needs_host

POD_UID = "pod-1"


@dataclass
class Machine:
    settings: Settings
    root: Path
    runtime: OciRuntime
    numbers: list[int] = field(default_factory=list)

    def plan(
        self, *args: str, spec: Wire | None = None, mounts: tuple[Mount, ...] = (), pids: int = 200, **container: Any
    ) -> ContainerPlan:
        attempt = len(self.numbers)
        self.numbers.append(attempt)
        wire = {"name": "main", "image": "i", **container}
        the_pod = pod({"containers": [wire], **(spec or {})}, uid=POD_UID)
        container_id = f"{POD_UID}-main-{attempt}"
        return assemble.plan(
            the_pod,
            the_pod.spec.containers[0],
            container_id=container_id,
            attempt=attempt,
            bundle=self.settings.run_dir / "containers" / container_id,
            log=self.settings.home / "logs" / f"{attempt}.log",
            root=self.root,
            image=ImageConfig(),
            args=args,
            environment=["FROM=image"],
            hostname="box",
            sandbox=Sandbox(POD_UID, None, None, None, []),
            mounts=mounts,
            cgroup_parent=self.settings.cgroup_parent,
            pids_limit=pids,
            seccomp_directory=self.settings.home,
        )

    async def start(self, *args: str, **options: Any) -> ContainerPlan:
        plan = self.plan(*args, **options)
        await self.runtime.create(plan)
        await self.runtime.start(plan.container_id)
        return plan

    async def exit(self) -> Exit:
        async with asyncio.timeout(patience(20)):
            async for end in self.runtime.exits():
                return end
        raise AssertionError

    async def run(self, *args: str, **options: Any) -> tuple[int, str]:
        """Exit code and output of a container that ends by itself."""
        plan = await self.start(*args, **options)
        end = await self.exit()
        assert end.container_id == plan.container_id
        text = output(plan)
        await self.runtime.delete(plan.container_id)
        return end.code, text

    def cgroup(self, plan: ContainerPlan) -> str:
        return cgroups.container_path(self.settings.cgroup_parent, POD_UID, plan.container_id)


def directory(controller: str, cgroup: str) -> Path:
    path = cgroups.detect().directory(controller, cgroup)
    assert path is not None
    return path


def usage(cgroup: str) -> cgroups.Usage:
    found = cgroups.detect().usage(cgroup)
    assert found is not None
    return found


def output(plan: ContainerPlan) -> str:
    lines = plan.log.read_text().splitlines()
    return "".join(line.split(" ", 3)[3] + "\n" for line in lines)


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return host.make_root(tmp_path_factory.mktemp("image") / "root")


@contextlib.asynccontextmanager
async def machine_with(root: Path, runtime: str = "crun") -> AsyncIterator[Machine]:
    with host.instance(runtime=runtime) as settings:
        engine = OciRuntime(settings)
        engine.start_watching()
        try:
            yield Machine(settings, root, engine)
        finally:
            for bundle in (settings.run_dir / "containers").iterdir():
                await engine.delete(bundle.name)
            await engine.close()


@pytest.fixture
async def machine(root):
    async with machine_with(root) as made:
        yield made


@pytest.fixture(params=["crun", "runc"])
async def any_machine(root, request):
    async with machine_with(root, request.param) as made:
        yield made


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


def leftovers(machine: Machine) -> set[str]:
    """What of the pod is left anywhere: cgroups, conmons, mounts, state."""
    hierarchy = cgroups.detect()
    found = {f"cgroup {name}" for name in hierarchy.children(f"/{machine.settings.cgroup_parent}") if "pod" in name}
    found |= {f"bundle {path.name}" for path in (machine.settings.run_dir / "containers").iterdir()}
    found |= {f"exit {path.name}" for path in (machine.settings.run_dir / "exits").iterdir()}
    state = machine.settings.run_dir / "runtime"
    found |= {f"state {path.name}" for path in state.iterdir()} if state.exists() else set()
    found |= {f"process {pid}" for pid in conmons(str(machine.settings.run_dir))}
    return found


def conmons(mark: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = path.read_bytes()
            if arguments.split(b"\0")[0].endswith(b"conmon") and mark.encode() in arguments:
                found.append(int(path.parent.name))
    return found


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
    assert str(machine.settings.run_dir) not in mounted
    assert str(machine.root) not in mounted
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


# --- taking over --------------------------------------------------------------------------------------------------


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
    (pid,) = conmons(plan.container_id)
    assert os.getsid(pid) != os.getsid(0)
    inside = cgroups.of_process(int((plan.bundle / "pidfile").read_text()))
    assert cgroups.of_process(pid)["memory"] != inside["memory"]
    assert plan.container_id not in str(cgroups.of_process(pid))


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


# --- isolation ----------------------------------------------------------------------------------------------------

DOCKERS_DEFAULT = 0x00000000A80425FB
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


async def test_a_user_cannot_gain_privileges(machine, root, tmp_path):
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


# --- streams ------------------------------------------------------------------------------------------------------


async def drain(session) -> dict[int, bytes]:
    streams = {1: b"", 2: b""}
    async with asyncio.timeout(10):
        while (piece := await session.read()) is not None:
            streams[piece[0]] += piece[1]
    return streams


async def test_exec_gives_output_streams_and_exit_code(any_machine):
    plan = await any_machine.start("sleep", "1000")
    session = await any_machine.runtime.exec(
        plan.container_id,
        ["sh", "-c", "echo out $X; echo err >&2; exit 9"],
        tty=False,
        stdin=False,
        environment=["X=1"],
    )
    assert await drain(session) == {1: b"out 1\n", 2: b"err\n"}
    assert await session.wait() == 9
    await session.close()
    assert list((any_machine.settings.run_dir / "exec").iterdir()) == []


async def test_exec_reads_stdin_to_its_half_close(any_machine):
    plan = await any_machine.start("sleep", "1000")
    session = await any_machine.runtime.exec(plan.container_id, ["wc", "-c"], tty=False, stdin=True)
    await session.write(b"x" * 300_000)
    await session.close_stdin()
    assert (await drain(session))[1].strip() == b"300000"
    assert await session.wait() == 0
    await session.close()


@pytest.mark.parametrize("tty", [False, True])
async def test_exec_ends_with_its_process_whatever_it_left_behind(machine, tty):
    """With crun: runc copies the streams itself, until all who hold them have ended."""
    plan = await machine.start("sleep", "1000")
    command = ["sh", "-c", "trap '' HUP; sleep 1000 & echo last words"]
    session = await machine.runtime.exec(plan.container_id, command, tty=tty, stdin=False)
    assert b"last words" in (await drain(session))[1]
    assert await session.wait() == 0
    await session.close()


async def test_a_cancelled_creation_is_cleaned_up(machine):
    for delay in (0.0005 * step for step in range(1, 20)):
        plan = machine.plan("sleep", "1000")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(delay):
                await machine.runtime.create(plan)
        await machine.runtime.delete(plan.container_id)
        await until(lambda: leftovers(machine) == set())


async def test_exec_of_a_missing_command_is_127_and_says_so(any_machine):
    plan = await any_machine.start("sleep", "1000")
    session = await any_machine.runtime.exec(plan.container_id, ["nosuch"], tty=False, stdin=False)
    assert b'exec: "nosuch": executable file not found in $PATH' in (await drain(session))[2]
    assert await session.wait() == 127
    await session.close()


async def test_a_signalled_exec_is_128_and_its_number(any_machine):
    plan = await any_machine.start("sleep", "1000")
    session = await any_machine.runtime.exec(plan.container_id, ["sh", "-c", "kill -TERM $$"], tty=False, stdin=False)
    await drain(session)
    assert await session.wait() == 143
    await session.close()


async def test_exec_has_a_terminal_that_follows_its_size(any_machine):
    plan = await any_machine.start("sleep", "1000")
    session = await any_machine.runtime.exec(plan.container_id, ["sh"], tty=True, stdin=True)
    await session.resize(width=123, height=45)
    text = b""

    async def see(mark: bytes) -> None:
        nonlocal text
        async with asyncio.timeout(10):
            while mark not in text:
                piece = await session.read()
                assert piece is not None, text
                text += piece[1]

    await session.write(b"tty; echo re''ady\n")
    await see(b"ready")
    assert b"/dev/pts/" in text
    await session.resize(width=99, height=33)
    await session.write(b"until [ \"$(stty size)\" = '33 99' ]; do :; done; echo resi''zed\n")
    await see(b"resized")
    await session.write(b"exit 4\n")
    await drain(session)
    assert await session.wait() == 4
    await session.close()


async def test_giving_up_an_exec_kills_its_process(any_machine):
    plan = await any_machine.start("sleep", "1000")
    hierarchy = cgroups.detect()
    before = hierarchy.processes(any_machine.cgroup(plan))
    session = await any_machine.runtime.exec(plan.container_id, ["sleep", "2000"], tty=False, stdin=False)
    await until(lambda: any(_command(pid) == "sleep 2000" for pid in hierarchy.processes(any_machine.cgroup(plan))))
    await session.close()
    await until(lambda: hierarchy.processes(any_machine.cgroup(plan)) == before)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


async def test_exec_in_what_does_not_run_is_refused(machine):
    with pytest.raises(NotRunning):
        await machine.runtime.exec("nobody", ["true"], tty=False, stdin=False)
    plan = await machine.start("true")
    await machine.exit()
    with pytest.raises(NotRunning):
        await machine.runtime.exec(plan.container_id, ["true"], tty=False, stdin=False)
    with pytest.raises(NotRunning):
        await machine.runtime.attach(plan.container_id, tty=False, stdin=False)


async def test_attach_shows_output_and_feeds_stdin(machine):
    plan = await machine.start("sh", "-c", "read x; echo got $x; echo err >&2; cat; exit 6", stdin=True, stdinOnce=True)
    session = await machine.runtime.attach(plan.container_id, tty=False, stdin=True)
    await session.write(b"hello\n")
    await session.write(b"more\n")
    await session.close_stdin()
    assert await drain(session) == {1: b"got hello\nmore\n", 2: b"err\n"}
    assert await session.wait() == 0
    assert (await machine.exit()).code == 6
    await session.close()


async def test_leaving_an_attached_container_leaves_it_running(machine):
    plan = await machine.start("sh", "-c", "while read x; do echo got $x; done", stdin=True)
    for word in (b"one", b"two"):
        session = await machine.runtime.attach(plan.container_id, tty=False, stdin=True)
        await session.write(word + b"\n")
        async with asyncio.timeout(10):
            assert await session.read() == (1, b"got " + word + b"\n")
        await session.close()


async def test_attach_resizes_the_containers_terminal(machine):
    plan = await machine.start(
        "sh", "-c", "until [ \"$(stty size)\" = '31 77' ]; do sleep 0.01; done; echo resized", tty=True, stdin=True
    )
    session = await machine.runtime.attach(plan.container_id, tty=True, stdin=True)
    await session.resize(width=77, height=31)
    assert b"resized" in (await drain(session))[1]
    await session.close()


async def test_a_rotated_log_loses_no_line(machine):
    script = "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.002; done"
    plan = await machine.start("sh", "-c", script)
    pieces = []
    for number in range(3):
        await until(lambda: plan.log.exists() and plan.log.stat().st_size > 500)
        pieces.append(plan.log.with_suffix(f".{number}"))
        plan.log.rename(pieces[-1])
        await machine.runtime.rotate_log(plan.container_id)
        await until(plan.log.exists)
    await machine.exit()
    lines = [line for piece in [*pieces, plan.log] for line in piece.read_text().splitlines()]
    assert [line.split()[-1] for line in lines] == [str(number) for number in range(400)]


async def test_nothing_holds_the_loop(machine):
    """While containers come and go, the event loop never stands still for long."""
    worst = 0.0

    async def watch():
        nonlocal worst
        while True:
            before = time.monotonic()
            await asyncio.sleep(0)
            worst = max(worst, time.monotonic() - before)
            await asyncio.sleep(0.001)

    watcher = asyncio.create_task(watch())
    for _ in range(5):
        await machine.run("true")
    watcher.cancel()
    assert worst < 0.5
