"""conmon: the small process that stays with one container.

It holds the container's terminal or pipes, writes its log, waits for its end and writes the exit code to a file, all
without us: a container outlives the agent. What it leaves in the bundle::

    config.json   the OCI configuration           attach   socket: output, and input to the container's stdin
    pidfile       the container's first process   ctl      FIFO: "1 <height> <width>" resizes, "2 0 0" reopens the log
    conmon.pid    its own                         oom      exists once the kernel killed for want of memory

and ``<exit directory>/<container id>`` holds the exit code in decimal, written under another name and renamed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeagent.errors import AgentError, CreateError, NotRunning
from nodeagent.runtime import messages, process

CREATE_DEADLINE_SECONDS = 60.0
FORK_PATIENCE_SECONDS = 5.0
_RESIZE, _REOPEN_LOG = 1, 2


@dataclass(frozen=True)
class Launch:
    """One container to be made by ``<runtime> create`` below conmon."""

    container_id: str
    bundle: Path
    log: Path
    exit_directory: Path
    runtime: str
    """Full path."""
    runtime_args: Sequence[str]
    terminal: bool
    stdin: bool
    stdin_once: bool
    command: str
    """What is executed in it, for messages."""

    @property
    def runtime_log(self) -> Path:
        return self.bundle / "runtime.log"

    def argv(self) -> list[str]:
        bundle = str(self.bundle)
        argv = ["conmon", "--api-version", "1", "--cid", self.container_id, "--cuuid", self.container_id]
        argv += ["--name", self.container_id, "--runtime", self.runtime, "--bundle", bundle]
        argv += ["--container-pidfile", f"{bundle}/pidfile", "--conmon-pidfile", f"{bundle}/conmon.pid"]
        argv += ["--log-path", f"k8s-file:{self.log}", "--no-sync-log", "--log-level", "error"]
        argv += ["--exit-dir", str(self.exit_directory), "--persist-dir", bundle, "--full-attach"]
        argv += ["--terminal"] if self.terminal else []
        argv += ["--stdin"] if self.stdin else []
        argv += ["--leave-stdin-open"] if self.stdin and not self.stdin_once else []
        for argument in self.runtime_args:
            argv += ["--runtime-arg", argument]
        return argv


async def create(launch: Launch) -> tuple[int, int]:
    """Start conmon and wait until the container is created: (conmon's pid, the container's pid).

    Raises `CreateError` with the runtime's own reason.
    """
    sync_read, sync_write = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            child = process.spawn(
                launch.argv(),
                pass_descriptors=(sync_write,),
                environment={
                    "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                    "_OCI_SYNCPIPE": str(sync_write),
                },
                directory=launch.bundle,  # where it leaves its "oom" file
                new_session=True,
            )
        finally:
            os.close(sync_write)
        try:
            pid = await _created(sync_read, launch)
            # The process that we started only forked the one that stays, and is done.
            await child.wait()
        except BaseException:
            await _forked(child)
            raise
    finally:
        os.close(sync_read)
    return int((launch.bundle / "conmon.pid").read_text()), pid


async def _forked(child: process.Process) -> None:
    """Let the first process fork and write the pid of the one that stays: killed in between, it would leave one behind
    that nobody knows of, and that goes on to create the container."""
    try:
        async with asyncio.timeout(FORK_PATIENCE_SECONDS):
            await child.wait()
    except TimeoutError:
        child.kill_and_reap()
    except asyncio.CancelledError:
        child.kill_and_reap()
        raise


async def _created(sync: int, launch: Launch) -> int:
    os.set_blocking(sync, False)
    answered = b""
    try:
        async with asyncio.timeout(CREATE_DEADLINE_SECONDS):
            while not answered.endswith(b"\n") and (piece := await process.read(sync)):
                answered += piece
    except TimeoutError as error:
        raise CreateError(f"the runtime did not create the container in {CREATE_DEADLINE_SECONDS:g} s") from error
    try:
        answer: dict[str, Any] = json.loads(answered)
    except ValueError:
        answer = {"data": -1, "message": answered.decode(errors="replace")}
    pid = int(answer.get("data", answer.get("pid", -1)))
    if pid <= 0:
        logged = messages.last_error(text(launch.runtime_log))
        raise CreateError(messages.humanise(logged or str(answer.get("message") or ""), command=launch.command))
    return pid


def text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def read_exit(exit_directory: Path, container_id: str) -> tuple[int, float] | None:
    """(exit code, when in seconds since the epoch), or None while there is no exit file."""
    path = exit_directory / container_id
    try:
        content, status = path.read_text(), path.stat()
    except FileNotFoundError:
        return None
    code = int(content) if content.strip().lstrip("-").isdecimal() else 255
    # A negative code is conmon's word for "killed at its time limit".
    return (code if code >= 0 else 128 + signal.SIGKILL), status.st_mtime


async def control(bundle: Path, kind: int, first: int = 0, second: int = 0) -> None:
    """Write one message to the control FIFO. Raises `NotRunning` when no conmon reads it."""
    try:
        descriptor = os.open(bundle / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            raise NotRunning("the container has ended") from error
        raise AgentError(f"cannot reach the container's conmon: {error.strerror}") from error
    try:
        with contextlib.suppress(BrokenPipeError):
            await process.write(descriptor, f"{kind} {first} {second}\n".encode())
    finally:
        os.close(descriptor)


async def resize(bundle: Path, *, width: int, height: int) -> None:
    await control(bundle, _RESIZE, height, width)


async def reopen_log(bundle: Path) -> None:
    await control(bundle, _REOPEN_LOG)
