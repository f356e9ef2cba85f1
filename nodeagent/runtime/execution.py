"""Processes started inside running containers, and attaching to a container's own.

``exec`` is one ``<runtime> exec`` whose standard streams are our pipes. With a terminal, crun hands us the container's
own over a socket; runc wants to be left for that, so it is given a terminal of ours, which it copies. ``attach`` speaks
to conmon's socket: each packet from it is one byte that names the stream and then output; each packet to it is input.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import tty
from collections.abc import Sequence
from pathlib import Path

from nodeagent.errors import NotRunning
from nodeagent.runtime import conmon, messages, process
from nodeagent.runtime.record import Record
from schema.base import Wire

STDOUT, STDERR = 1, 2
PIECE_BYTES = 32 * 1024
TERMINAL_PATIENCE_SECONDS = 0.5
KILL_PATIENCE_SECONDS = 2.0
_ATTACH_STREAMS = {2: STDOUT, 3: STDERR}
"""conmon's numbers of the streams to ours."""


class Execution:
    """An exec'ed process; see `facilities.ExecSession`."""

    def __init__(
        self, child: process.Process, *, directory: Path, input_: int, outputs: dict[int, int], terminal: bool
    ) -> None:
        self._child = child
        self._directory = directory
        self._input = input_
        self._outputs = outputs
        """Our end of each output still open: stream number to descriptor."""
        self._terminal = terminal
        self._closed = False
        self._told = False

    async def read(self) -> tuple[int, bytes] | None:
        while self._outputs:
            stream = await self._next_stream()
            if stream is None:
                self._close_outputs()
                break
            descriptor = self._outputs[stream]
            if data := await process.read(descriptor, PIECE_BYTES):
                return stream, data
            del self._outputs[stream]
            if not self._terminal:
                os.close(descriptor)
        if self._closed or self._told or (refusal := await self._refusal()) is None:
            return None
        self._told = True
        return STDERR, (refusal + "\n").encode()

    async def _next_stream(self) -> int | None:
        """The stream that has something to read, or is at its end; None when the process is over and nothing is left.

        What it left running in the background may hold the streams open for ever: its end is the end. A terminal passes
        the last words on a moment later.
        """
        if self._child.code is None and (stream := await _first_readable(self._outputs, self._child.ended)) is not None:
            return stream
        try:
            async with asyncio.timeout(TERMINAL_PATIENCE_SECONDS if self._terminal else 0):
                return await _first_readable(self._outputs)
        except TimeoutError:
            return next((n for n, at in self._outputs.items() if select.select([at], [], [], 0)[0]), None)

    def _close_outputs(self) -> None:
        for descriptor in set(self._outputs.values()) - {self._input}:
            os.close(descriptor)
        self._outputs = {}

    async def _refusal(self) -> str | None:
        """Why the runtime did not start the process: told once, in place of its output."""
        await self._child.wait()
        text = messages.last_error(conmon.text(self._directory / "log"))
        return messages.humanise(text) if text else None

    async def write(self, data: bytes) -> None:
        if self._input < 0:
            return
        try:
            await process.write(self._input, data)
        except BrokenPipeError:
            await self.close_stdin()

    async def close_stdin(self) -> None:
        if self._input < 0:
            return
        if self._terminal:
            # A terminal has no half-close: its end of file is a character.
            with contextlib.suppress(OSError):
                await process.write(self._input, b"\x04")
            return
        os.close(self._input)
        self._input = -1

    async def resize(self, *, width: int, height: int) -> None:
        if self._terminal and self._input >= 0:
            fcntl.ioctl(self._input, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            self._child.send(signal.SIGWINCH)

    async def wait(self) -> int:
        code = await self._child.wait()
        if text := messages.last_error(conmon.text(self._directory / "log")):
            return messages.exit_code(text)
        return code if code >= 0 else 128 - code

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._child.code is None:
            await self._kill()
        self._close_outputs()
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
        await asyncio.to_thread(_remove_directory, self._directory)

    async def _kill(self) -> None:
        """Kill the process in the container; the runtime's own then ends by itself, and is killed if it does not."""
        try:
            async with asyncio.timeout(KILL_PATIENCE_SECONDS):
                if (pid := await self._inner_pid()) is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await self._child.wait()
        except TimeoutError:
            self._child.kill_and_reap()

    async def _inner_pid(self) -> int | None:
        """The process in the container. runc notes it only after its start, and nothing tells when; None: it is over."""
        while self._child.code is None:
            with contextlib.suppress(OSError, ValueError):
                return int((self._directory / "pid").read_text())
            await asyncio.sleep(0.005)
        return None


async def _first_readable(outputs: dict[int, int], ended: asyncio.Future[int] | None = None) -> int | None:
    """The stream that has something to read; None when ``ended`` comes first."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[int | None] = loop.create_future()

    def found(stream: int | None) -> None:
        if not ready.done():
            ready.set_result(stream)

    def over(_: asyncio.Future[int]) -> None:
        found(None)

    for stream, descriptor in outputs.items():
        loop.add_reader(descriptor, found, stream)
    if ended is not None:
        ended.add_done_callback(over)
    try:
        return await ready
    finally:
        for descriptor in outputs.values():
            loop.remove_reader(descriptor)
        if ended is not None:
            ended.remove_done_callback(over)


def process_spec(config: Wire, command: Sequence[str], *, terminal: bool, environment: Sequence[str]) -> Wire:
    """The OCI process of an exec: the container's own user, rights and environment, another command."""
    own = config["process"]
    names = {entry.partition("=")[0] for entry in environment}
    kept = [entry for entry in own["env"] if entry.partition("=")[0] not in names]
    extra = ["TERM=xterm"] if terminal and not any(entry.startswith("TERM=") for entry in kept) else []
    return {**own, "args": list(command), "terminal": terminal, "env": [*kept, *extra, *environment]}


async def start(
    record: Record,
    command: Sequence[str],
    *,
    runtime: Sequence[str],
    directory: Path,
    terminal: bool,
    stdin: bool,
    environment: Sequence[str],
) -> Execution:
    """Spawn ``<runtime> exec``. ``directory`` is made for its files and removed by `Execution.close`."""
    _write_process(record, command, directory, terminal=terminal, environment=environment)
    argv = [*runtime, "--log", str(directory / "log"), "--log-format", "json", "exec"]
    argv += ["--pid-file", str(directory / "pid"), "--process", str(directory / "process.json")]
    if not terminal:
        child, input_, outputs = _spawn_with_pipes([*argv, record.container_id], stdin)
    elif Path(runtime[0]).name == "crun":
        child, input_, outputs = await _spawn_with_console(argv, record.container_id, directory)
    else:
        child, input_, outputs = _spawn_with_terminal([*argv, "--tty", record.container_id])
    return Execution(child, directory=directory, input_=input_, outputs=outputs, terminal=terminal)


def _write_process(
    record: Record, command: Sequence[str], directory: Path, *, terminal: bool, environment: Sequence[str]
) -> None:
    directory.mkdir(parents=True, mode=0o700)
    config = json.loads((record.bundle / "config.json").read_text())
    spec = process_spec(config, command, terminal=terminal, environment=environment)
    (directory / "process.json").write_text(json.dumps(spec))


async def _spawn_with_console(
    argv: Sequence[str], container_id: str, directory: Path
) -> tuple[process.Process, int, dict[int, int]]:
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as listener:
            listener.bind(f"/proc/self/fd/{folder}/console")
            listener.listen(1)
            listener.setblocking(False)
            # By way of our descriptor: a socket's address may have 107 bytes, and the run directory more.
            path = f"/proc/{os.getpid()}/fd/{folder}/console"
            child = process.spawn([*argv, "--tty", "--console-socket", path, container_id], new_session=True)
            try:
                master = await _receive_console(listener, child)
            except BaseException:
                child.kill_and_reap()
                raise
    finally:
        os.close(folder)
    return child, master, {STDOUT: master} if master >= 0 else {}


async def _receive_console(listener: socket.socket, child: process.Process) -> int:
    """The terminal's master as the runtime sends it; -1 when the runtime ended without."""
    if await _first_readable({1: listener.fileno()}, child.ended) is None and not _acceptable(listener):
        return -1
    connection, _ = listener.accept()
    with connection:
        connection.setblocking(False)
        await process.readable(connection.fileno())
        _, descriptors, _, _ = socket.recv_fds(connection, 4096, 1)
    if not descriptors:
        return -1
    os.set_inheritable(descriptors[0], False)
    os.set_blocking(descriptors[0], False)
    return descriptors[0]


def _acceptable(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


def _spawn_with_terminal(argv: Sequence[str]) -> tuple[process.Process, int, dict[int, int]]:
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        child = process.spawn(argv, stdin=slave, stdout=slave, stderr=slave, new_session=True)
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    return child, master, {STDOUT: master}


def _spawn_with_pipes(argv: Sequence[str], stdin: bool) -> tuple[process.Process, int, dict[int, int]]:
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    error_read, error_write = os.pipe2(os.O_CLOEXEC)
    input_read, input_ = os.pipe2(os.O_CLOEXEC) if stdin else (-1, -1)
    for descriptor in (out_read, error_read, *((input_,) if stdin else ())):
        os.set_blocking(descriptor, False)
    try:
        source = input_read if stdin else subprocess.DEVNULL
        child = process.spawn(argv, stdin=source, stdout=out_write, stderr=error_write, new_session=True)
    except BaseException:
        for descriptor in {out_read, error_read, input_} - {-1}:
            os.close(descriptor)
        raise
    finally:
        for descriptor in {out_write, error_write, input_read} - {-1}:
            os.close(descriptor)
    return child, input_, {STDOUT: out_read, STDERR: error_read}


def _remove_directory(directory: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for entry in directory.iterdir():
            entry.unlink(missing_ok=True)
        directory.rmdir()


class Attachment:
    """A connection to conmon's attach socket; see `facilities.ExecSession`."""

    def __init__(self, connection: socket.socket, record: Record, *, stdin: bool) -> None:
        self._connection = connection
        self._record = record
        self._stdin = stdin
        self._ended = asyncio.Event()

    async def read(self) -> tuple[int, bytes] | None:
        loop = asyncio.get_running_loop()
        while not self._ended.is_set():
            try:
                packet = await loop.sock_recv(self._connection, PIECE_BYTES + 1)
            except OSError:
                packet = b""
            if not packet:
                self._ended.set()
            elif stream := _ATTACH_STREAMS.get(packet[0]):
                return stream, packet[1:]
        return None

    async def write(self, data: bytes) -> None:
        if not self._stdin:
            return
        loop = asyncio.get_running_loop()
        for offset in range(0, len(data), PIECE_BYTES):
            try:
                await loop.sock_sendall(self._connection, data[offset : offset + PIECE_BYTES])
            except OSError:
                return  # the container has ended; `read` says so

    async def close_stdin(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    async def resize(self, *, width: int, height: int) -> None:
        if self._record.terminal:
            with contextlib.suppress(NotRunning):
                await conmon.resize(self._record.bundle, width=width, height=height)

    async def wait(self) -> int:
        await self._ended.wait()
        return 0

    async def close(self) -> None:
        self._ended.set()
        self._connection.close()


async def attach(record: Record, *, stdin: bool) -> Attachment:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    connection.setblocking(False)
    # The path of a bundle may be longer than a socket's address may be (107 bytes).
    directory = os.open(record.bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{directory}/attach")
    except OSError as error:
        connection.close()
        raise NotRunning(f"container {record.name} has ended: nothing to attach to") from error
    finally:
        os.close(directory)
    return Attachment(connection, record, stdin=stdin)
