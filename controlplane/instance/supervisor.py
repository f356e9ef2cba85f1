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
from typing import Any

from controlplane.instance import control, processes
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


class Supervisor:
    """``wanted`` says which processes there should be; it is asked at the start and at each `reload`."""

    def __init__(self, wanted: Callable[[], Sequence[Process]], make: Callable[[Process], Child]) -> None:
        self._wanted = wanted
        self._make = make
        self._running: dict[str, tuple[Child, asyncio.Task[None]]] = {}
        self.failed = asyncio.Event()
        """A process cannot even be tried any more: that is a defect, not something to hide by going on."""
        self.failure: BaseException | None = None

    def start_missing(self) -> None:
        for process in self._wanted():
            if process.name not in self._running:
                child = self._make(process)
                task = asyncio.create_task(child.keep_running(), name=process.name)
                task.add_done_callback(self._ended)
                self._running[process.name] = (child, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error
            self.failed.set()

    async def reload(self) -> None:
        wanted = {process.name for process in self._wanted()}
        for name in [name for name in self._running if name not in wanted]:
            await self._end(name)
        self.start_missing()

    async def kill(self, name: str) -> None:
        """It is started again, unless `wanted` says otherwise by now."""
        child, _ = self._running[name]
        if name not in {process.name for process in self._wanted()}:
            child.stopping = True
        running = child.running
        if running is not None and running.returncode is None:
            running.kill()
            await running.wait()
        if child.stopping:
            await self._end(name)

    def pids(self) -> dict[str, int]:
        return {
            name: child.running.pid
            for name, (child, _) in self._running.items()
            if child.running is not None and child.running.returncode is None
        }

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._answer(question)
        except Exception as error:  # noqa: BLE001 - the loop's outer edge: whoever asked is told, the processes go on
            return {"error": f"{type(error).__name__}: {error}"}

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        match question:
            case {"do": "reload"}:
                await self.reload()
            case {"do": "kill", "name": name} if name in self._running:
                await self.kill(name)
            case {"do": "list"}:
                pass
            case _:
                return {"error": f"the supervisor cannot do {question}"}
        return {"processes": self.pids()}

    async def stop(self) -> None:
        for name in reversed(list(self._running)):
            await self._end(name)

    async def _end(self, name: str) -> None:
        child, task = self._running.pop(name)
        await child.stop()
        await asyncio.gather(task, return_exceptions=True)
        child.close()


async def supervise(layout: Layout, supervisor: Supervisor) -> None:
    """Runs until SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    async with control.listening(layout, supervisor.answer):
        supervisor.start_missing()
        waiting = [asyncio.create_task(event.wait()) for event in (ended, supervisor.failed)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        await supervisor.stop()
    if supervisor.failure is not None:
        raise supervisor.failure


def main(argv: Sequence[str] = sys.argv[1:]) -> None:
    """With arguments: the names of the processes to run; without: all of them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `supervise` listens there is nothing to stop in order
    layout = Layout.from_environment()

    def wanted() -> list[Process]:
        return [process for process in processes.of_instance(layout) if not argv or process.name in argv]

    width = max(len(process.name) for process in wanted())
    asyncio.run(_main(layout, wanted, lambda process: child(process, width=width, directory=layout.logs)))


async def _main(layout: Layout, wanted: Callable[[], list[Process]], make: Callable[[Process], Child]) -> None:
    await supervise(layout, Supervisor(wanted, make))


if __name__ == "__main__":
    main()
