"""exec, attach and logs of real containers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from nodeagent.errors import NotRunning
from nodeagent.runtime import cgroups
from tests.agent.host import needs_host, until
from tests.agent.patience import patience
from tests.agent.runtime_machine import drain, leftovers

pytestmark = needs_host


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
        async with asyncio.timeout(patience(60)):
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
        async with asyncio.timeout(patience(60)):
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
