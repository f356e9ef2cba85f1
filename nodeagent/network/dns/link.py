"""The DNS process as the agent sees it: adopted where it runs, started where it does not, and told what has changed.

Its directory, below the agent's run directory::

    socket      where it listens for agents and for its successor
    log

A process of another version of this code goes on answering until its successor knows everything and has its sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import logging
import os
import shutil
import signal
import socket
import struct
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import dns.version

import nodeagent
from nodeagent.errors import HostConflict
from nodeagent.keys import Key
from nodeagent.network.dns import messages
from nodeagent.network.dns.messages import Configuration, Message
from nodeagent.network.dns.zone import KINDS, View
from nodeagent.network.errors import NetworkError
from nodeagent.runtime import cgroups, process

log = logging.getLogger(__name__)

MEMORY_BYTES = 512 * 1024 * 1024
ANSWER_SECONDS = 60.0
"""For the start and the first feed on a busy machine."""
START_SECONDS = 30.0
GREETING_SECONDS = 5.0
_ROOT = Path(nodeagent.__file__).parents[1]
_SHARED = ("errors.py", "keys.py", "tasks.py", "network/errors.py", "network/files.py")


@functools.cache
def code_version() -> str:
    """Of all that the process runs. Read once: a process is of the version that its agent is."""
    digest = hashlib.sha256(f"{sys.version} {dns.version.version}".encode())
    package = _ROOT / "nodeagent"
    for path in sorted(Path(__file__).parent.glob("*.py")) + [package / name for name in _SHARED]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


class Link:
    def __init__(self, directory: Path, *, cgroup: str, version: str = "") -> None:
        self.directory = directory
        self._cgroup = cgroup
        self._hierarchy = cgroups.detect()
        self._version = version or code_version()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._replies: asyncio.Queue[Message | None] = asyncio.Queue()
        self._told: Configuration | None = None
        self._number = 0
        self.connected = asyncio.Event()
        self.lost = asyncio.Event()
        self.lost.set()
        self.pid = 0

    @property
    def path(self) -> Path:
        return self.directory / "socket"

    async def tell(self, configuration: Configuration, view: View, changed: Iterable[Key]) -> None:
        """Make the process know it, and wait until it does. Raises `NetworkError`, `HostConflict`."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self.lost.is_set():
                    await self._connect()
                if configuration == self._told:
                    await self._say_changes(view, changed)
                else:
                    await self._say_everything(configuration, view)
                await self._commit()
            self._told = configuration
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            await self.close()
            raise NetworkError(
                f"pods have no DNS: its process does not answer ({error or 'no answer in time'})"
            ) from error
        except BaseException:
            await self.close()  # what was said and not committed must not be committed by the next
            raise

    async def _say_everything(self, configuration: Configuration, view: View) -> None:
        await self._say(configuration.message())
        for kind in KINDS:
            for wire in view.all(kind).values():
                await self._say({"object": messages.reduced(wire)})

    async def _say_changes(self, view: View, changed: Iterable[Key]) -> None:
        for key in changed:
            if key.kind in KINDS:
                wire = view.get(*key)
                await self._say({"gone": list(key)} if wire is None else {"object": messages.reduced(wire)})

    async def _commit(self) -> None:
        self._number += 1
        await self._say({"commit": self._number})
        reply = await self._replies.get()
        if reply is None:
            raise EOFError("it has ended")
        if reply.get("done") != self._number:
            raise ValueError("its answer is to something else")
        if reply["problem"]:
            raise (HostConflict if reply["conflict"] else NetworkError)(reply["problem"])

    async def _say(self, message: Message) -> None:
        assert self._writer is not None  # noqa: S101
        self._writer.write(messages.encode(message))
        await self._writer.drain()

    # --- the process

    async def _connect(self) -> None:
        await self.close()  # what is left of the former connection
        if not await self._adopt():
            await self._start()
        assert self._reader is not None  # noqa: S101
        self._replies, self._told = asyncio.Queue(), None
        self.lost.clear()
        self.connected.set()
        self._listening = asyncio.create_task(self._listen(self._reader, self._replies), name="dns process")

    async def _adopt(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
        except OSError:
            return False
        pid = _peer(writer)
        try:
            greeting = await self._greeted(reader, GREETING_SECONDS)
        except (OSError, EOFError, ValueError, TimeoutError):
            log.warning("the DNS process %d does not answer; it is ended", pid)
            await end(pid)
            greeting = {}
        if greeting.get("version") == self._version:
            self._reader, self._writer, self.pid = reader, writer, pid
            return True
        writer.close()
        return False

    async def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._hierarchy.create(self._cgroup, {"memory": {"limit": MEMORY_BYTES}})
        own, its = socket.socketpair()
        logged = os.open(self.directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(logged).st_size > 1 << 20:
                os.ftruncate(logged, 0)
            child = process.spawn(
                [sys.executable, "-m", "nodeagent.network.dns", "--directory", str(self.directory),
                 "--version", self._version, "--feed", str(its.fileno())],
                stdout=logged, stderr=logged, pass_descriptors=[its.fileno()], environment=_environment(),
                directory=_ROOT, new_session=True,
            )  # fmt: skip
        finally:
            os.close(logged)
            its.close()
        self._confine(child.pid)
        self._reader, self._writer = await asyncio.open_connection(sock=own, limit=messages.LINE_BYTES)
        self.pid = child.pid
        await self._greeted(self._reader, START_SECONDS)

    def _confine(self, pid: int) -> None:
        for root in self._hierarchy.roots:
            with contextlib.suppress(FileNotFoundError):
                (root / self._cgroup.lstrip("/") / "cgroup.procs").write_text(str(pid))

    async def _greeted(self, reader: asyncio.StreamReader, seconds: float) -> Message:
        async with asyncio.timeout(seconds):
            line = await reader.readline()
        if not line:
            raise EOFError(f"it has ended, see {self.directory}/log")
        return messages.decode(line)

    async def _listen(self, reader: asyncio.StreamReader, replies: asyncio.Queue[Message | None]) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                replies.put_nowait(messages.decode(line))
        replies.put_nowait(None)
        self.connected.clear()
        self.lost.set()

    async def close(self) -> None:
        """Let go of it; it goes on."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.wait([listening])
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
        self.connected.clear()
        self.lost.set()

    async def remove(self) -> None:
        """End it, and whatever else of it is left."""
        await self.close()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_unix_connection(self.path)
            pid = _peer(writer)
            writer.close()
            await end(pid)
        for pid in self._hierarchy.processes(self._cgroup):
            await end(pid)
        with contextlib.suppress(cgroups.CgroupError):
            self._hierarchy.remove(self._cgroup)
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)


def _environment() -> Mapping[str, str]:
    """Nothing of what the agent may hold."""
    passed = ("PATH", "LANG", "LC_ALL", "PYTHONPATH", "SLIPWAY_LOG_LEVEL", "TZ")
    return {name: os.environ[name] for name in passed if name in os.environ}


def _peer(writer: asyncio.StreamWriter) -> int:
    packed = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", packed)[0])


async def end(pid: int) -> None:
    """It has nothing to put in order."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.readable(descriptor)
    finally:
        os.close(descriptor)
