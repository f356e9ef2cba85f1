"""Starting and awaiting child processes from the event loop, fast.

``subprocess`` uses vfork(2) as long as nothing is to be run between fork and exec, so the agent's page tables are not
copied (0.3 ms), and a pidfd in the loop's poll set tells of the end without a thread, a signal handler or polling. Works
on asyncio's loop and on uvloop alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeagent.errors import AgentError

DEADLINE_SECONDS = 30.0
"""Of `run`."""
OUTPUT_LIMIT_BYTES = 64 * 1024


@functools.cache
def executable(name: str) -> str:
    """Full path of a program, Raises `AgentError` when it is not installed."""
    if "/" in name:
        return name
    for directory in [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"]:
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            return path
    raise AgentError(f"{name} is not installed on this node: run `python -m nodeagent doctor`")


class Process:
    """A child of ours. Belongs to the running loop, which reaps it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Resolves with the exit code, or minus the signal."""
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._reap)

    @property
    def code(self) -> int | None:
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> int:
        """Exit code, or minus the signal; may be awaited by several."""
        return await asyncio.shield(self.ended)

    def _reap(self) -> None:
        if self.ended.done():
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        try:
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:
            self.ended.set_result(-signal.SIGKILL)  # reaped by somebody else: all we know is that it is gone
        else:
            assert result is not None  # noqa: S101
            self.ended.set_result(result.si_status if result.si_code == os.CLD_EXITED else -result.si_status)
        os.close(self._pidfd)

    def kill_and_reap(self) -> None:
        """For a process that nobody will wait for any more. Blocks for the instant that SIGKILL takes."""
        self.send(signal.SIGKILL)
        self._reap()

    def send(self, number: signal.Signals) -> None:
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)


def spawn(
    argv: Sequence[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL,
    pass_descriptors: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    new_session: bool = False,
) -> Process:
    """Start a program; ``pass_descriptors`` keep their numbers in it."""
    child = subprocess.Popen(
        [executable(argv[0]), *argv[1:]],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=pass_descriptors,
        env=environment,
        cwd=directory,
        start_new_session=new_session,
    )
    child.returncode = 0  # it is `Process` that reaps it: Popen must not
    return Process(child.pid)


async def run(argv: Sequence[str], *, input_: bytes = b"") -> tuple[int, str]:
    """Run a short-lived program to its end: (exit code, standard output and error together, bounded)."""
    # Memory files, not pipes: nothing to pump while it runs, and no amount of output can stall it.
    output = os.memfd_create("output", os.MFD_CLOEXEC)
    source = -1
    process: Process | None = None
    try:
        if input_:
            source = os.memfd_create("input", os.MFD_CLOEXEC)
            os.write(source, input_)
            os.lseek(source, 0, os.SEEK_SET)
        process = spawn(argv, stdin=source if input_ else subprocess.DEVNULL, stdout=output, stderr=output)
        async with asyncio.timeout(DEADLINE_SECONDS):
            code = await process.wait()
        return code, os.pread(output, OUTPUT_LIMIT_BYTES, 0).decode(errors="replace")
    except TimeoutError as error:
        raise AgentError(f"{argv[0]} did not end within {DEADLINE_SECONDS:g} s and was killed") from error
    finally:
        if process is not None and process.code is None:
            process.kill_and_reap()
        os.close(output)
        if source >= 0:
            os.close(source)


async def readable(descriptor: int) -> None:
    """Wait until ``descriptor`` can be read (a pidfd: until the process has ended)."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _resolve, future)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)


async def writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, _resolve, future)
    try:
        await future
    finally:
        loop.remove_writer(descriptor)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def read(descriptor: int, size: int = 65536) -> bytes:
    """Read once from a non-blocking descriptor; empty at the end (a terminal's hang-up included)."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            await readable(descriptor)
        except OSError as error:
            if error.errno == errno.EIO:  # what a terminal's master says once the last slave is closed
                return b""
            raise


async def write(descriptor: int, data: bytes) -> None:
    """Write all of ``data`` to a non-blocking descriptor. Raises BrokenPipeError when nobody reads any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            await writable(descriptor)
