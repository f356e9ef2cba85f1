"""Keeps an instance's processes running: ``python -m controlplane.instance.supervisor``, started by `manage.py up`.

A program of its own without Django, because it lives as long as the instance and should cost next to nothing. It
starts the processes in order, restarts each that ends (with back-off), copies their output to the terminal and to a
bounded file below ``logs/``, and stops them in reverse order on SIGINT or SIGTERM. Should it be killed itself, the
kernel sends the processes SIGTERM (``setpriv --pdeathsig``); containers are nobody's children and stay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path

from controlplane.instance import processes
from controlplane.instance.layout import Layout
from controlplane.instance.processes import Process

FIRST_DELAY_SECONDS = 0.1
LONGEST_DELAY_SECONDS = 5.0
STEADY_SECONDS = 10.0
"""Whoever ran this long starts again without delay."""
LOG_BYTES = 5 * 1024 * 1024


def next_delay(previous_seconds: float, *, ran_seconds: float) -> float:
    """The pause before a restart: doubling while a process keeps ending soon after its start."""
    if ran_seconds >= STEADY_SECONDS or previous_seconds == 0:
        return FIRST_DELAY_SECONDS
    return min(previous_seconds * 2, LONGEST_DELAY_SECONDS)


def describe_exit(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"


@dataclass
class Child:
    """One process and its restarts."""

    process: Process
    write: Callable[[str], None]
    """Takes what the supervisor says about the process."""
    copy: Callable[[str], None]
    """Takes what the process says itself."""
    close: Callable[[], None] = lambda: None
    """After the last word."""
    stopping: bool = False
    running: asyncio.subprocess.Process | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep_running(self) -> None:
        delay = 0.0
        clock = asyncio.get_running_loop()
        while not self.stopping:
            began = clock.time()
            code = await self._run_once()
            if self.stopping:
                return
            delay = next_delay(delay, ran_seconds=clock.time() - began)
            self.write(f"{describe_exit(code)}; starting again in {delay:.1f} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay)

    async def _run_once(self) -> int:
        # A session of its own: Ctrl-C in the terminal reaches only us, and we stop them in order.
        self.running = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "TERM", *self.process.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, **self.process.environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        if self.stopping:
            self.running.terminate()
        if self.running.stdout is None:
            raise AssertionError("the process was started without a pipe")
        copying = asyncio.create_task(self._copy(self.running.stdout), name=f"copy {self.process.name}")
        code = await self.running.wait()
        # Grandchildren may hold the pipe open after the process has ended: take what is there and go on.
        await asyncio.wait({copying}, timeout=0.2)
        copying.cancel()
        return code

    async def _copy(self, stream: asyncio.StreamReader) -> None:
        while line := await _read_line(stream):
            self.copy(line.decode(errors="replace").rstrip("\n"))

    async def stop(self) -> None:
        self.stopping = True
        self._stop.set()
        child = self.running
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            await asyncio.wait_for(child.wait(), self.process.stop_seconds)
        except TimeoutError:
            self.write(f"did not stop within {self.process.stop_seconds:.0f} s; killed")
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:  # a line beyond the stream's limit has been dropped; what follows is still good
        return b"(a line too long to show)\n"


def child(process: Process, *, width: int, directory: Path) -> Child:
    """Its lines are kept in ``<directory>/<name>.log`` and printed with its name in front."""
    name = process.name
    handler = RotatingFileHandler(directory / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")

    def keep(line: str) -> None:
        handler.emit(logging.LogRecord(name, logging.INFO, "", 0, line, None, None))

    def write(line: str) -> None:
        with contextlib.suppress(OSError):  # a terminal that has gone away must not stop the instance
            print(f"{name:<{width}} | {line}", flush=True)
        keep(line)

    return Child(process, write, keep if process.chatty else write, handler.close)


async def supervise(children: Sequence[Child], *, on_started: Callable[[], None] | None = None) -> None:
    """Runs until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    tasks = [asyncio.create_task(child.keep_running(), name=child.process.name) for child in children]
    if on_started is not None:
        on_started()
    stop = asyncio.create_task(ended.wait(), name="signal")
    finished, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for child in reversed(children):
        await child.stop()
    await asyncio.gather(*tasks, return_exceptions=stop in finished)
    for child in children:
        child.close()


def main(argv: Sequence[str] = sys.argv[1:]) -> None:
    """With arguments: the names of the processes to run; without: all of them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `supervise` listens there is nothing to stop in order
    layout = Layout.from_environment()
    chosen = [p for p in processes.of_instance(layout) if not argv or p.name in argv]
    width = max(len(process.name) for process in chosen)
    children = [child(process, width=width, directory=layout.logs) for process in chosen]
    asyncio.run(supervise(children))


if __name__ == "__main__":
    main()
