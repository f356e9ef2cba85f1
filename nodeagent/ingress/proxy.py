"""One haproxy and its configuration: started, reloaded without dropping a connection, adopted, stopped.

It lives on without the agent, in a cgroup of its own. Its directory, below the agent's run directory::

    current -> <digest>     the configuration in use: a generation is written whole, checked by haproxy, then switched to
    master.sock             haproxy's own door for its master process
    pid  log

A reload makes a new worker, which takes over the listening sockets; the old one serves what it has until that ends. A
configuration that haproxy refuses is not switched to: what ran goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from nodeagent.errors import AgentError
from nodeagent.ingress.configuration import Files
from nodeagent.runtime import cgroups, process

START_SECONDS = 10.0
STOP_SECONDS = 5.0
MEMORY_BYTES = 512 * 1024 * 1024
_PROGRAM = "haproxy"
_LOOK_SECONDS = 0.02
_ANSWER_SECONDS = 2.0
_KEPT_DESCRIPTORS = 200


class ProxyError(AgentError):
    reason = "IngressProxyFailed"


def connections_possible(wished: int) -> int:
    """haproxy needs two descriptors for a connection, and refuses to start with fewer than it was promised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return wished if hard == resource.RLIM_INFINITY else max(100, min(wished, (hard - _KEPT_DESCRIPTORS) // 2))


class Proxy:
    def __init__(self, directory: Path, *, cgroup: str) -> None:
        self.directory = directory
        self._cgroup = cgroup
        self._hierarchy = cgroups.detect()

    @property
    def pid(self) -> int | None:
        """Of the master process, if it lives and is ours."""
        try:
            pid = int((self.directory / "pid").read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return pid if str(self.directory / "current" / "haproxy.cfg").encode() in words else None

    @property
    def in_use(self) -> str:
        """Digest of the configuration it runs with; empty if it does not run."""
        try:
            return (self.directory / "current").readlink().name if self.pid else ""
        except OSError:
            return ""

    def generation(self, digest: str) -> Path:
        """Where the files of a configuration are to be: their text may name it."""
        return self.directory / digest

    async def apply(self, digest: str, files: Files, certificates: Mapping[str, bytes]) -> None:
        """Run with this configuration. Does nothing when it is in use. Raises `ProxyError` with haproxy's own words."""
        if self.in_use == digest:
            return
        await asyncio.to_thread(self._write, digest, files, certificates)
        await self._check(digest)
        before = self.pid
        if before is None:
            self._switch(digest)
            await self._start()
        else:
            workers = await self._workers()
            self._switch(digest)
            os.kill(before, signal.SIGUSR2)
            await self._await_worker(other_than=workers)
        await asyncio.to_thread(self._drop_others, digest)

    async def stop(self) -> None:
        """Stop listening; what is in the middle of a request has `STOP_SECONDS` to end."""
        pid = self.pid
        if pid is not None:
            descriptor = os.pidfd_open(pid)
            try:
                for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
                    with contextlib.suppress(ProcessLookupError):
                        signal.pidfd_send_signal(descriptor, number)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(STOP_SECONDS):
                            await process.readable(descriptor)
                        break
            finally:
                os.close(descriptor)
        await asyncio.to_thread(self._remove)

    async def ended(self) -> None:
        """Until the process is gone."""
        pid = self.pid
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            await process.readable(descriptor)
        finally:
            os.close(descriptor)

    # --- files

    def _write(self, digest: str, files: Files, certificates: Mapping[str, bytes]) -> None:
        draft = self.generation(f"{digest}.new")
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "certificates").mkdir(parents=True, mode=0o700)
        for name, text in files.content.items():
            _write_private(draft / name, text.encode())
        for name, data in certificates.items():
            _write_private(draft / "certificates" / name, data)
        shutil.rmtree(self.generation(digest), ignore_errors=True)
        draft.rename(self.generation(digest))

    def _switch(self, digest: str) -> None:
        link = self.directory / "next"
        link.unlink(missing_ok=True)
        link.symlink_to(digest)
        link.rename(self.directory / "current")

    def _drop_others(self, digest: str) -> None:
        for path in self.directory.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name != digest:
                shutil.rmtree(path, ignore_errors=True)

    def _remove(self) -> None:
        with contextlib.suppress(cgroups.CgroupError):
            self._hierarchy.remove(self._cgroup)
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- the process

    async def _check(self, digest: str) -> None:
        configuration = self.generation(digest) / "haproxy.cfg"
        code, output = await process.run([_PROGRAM, "-c", "-q", "-f", str(configuration)])
        if code != 0:
            raise ProxyError(f"haproxy refuses the configuration: {_last_words(output)}")

    async def _start(self) -> None:
        self._hierarchy.create(self._cgroup, {"memory": {"limit": MEMORY_BYTES}})
        log = os.open(self.directory / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            child = process.spawn(
                [_PROGRAM, "-W", "-S", f"{self.directory}/master.sock,mode,600", "-p", f"{self.directory}/pid",
                 "-f", f"{self.directory}/current/haproxy.cfg"],
                stdout=log, stderr=log, new_session=True,
            )  # fmt: skip
        finally:
            os.close(log)
        self._confine(child.pid)
        await self._await_worker(other_than=frozenset(), child=child)

    def _confine(self, pid: int) -> None:
        for root in self._hierarchy.roots:
            with contextlib.suppress(FileNotFoundError):
                (root / self._cgroup.lstrip("/") / "cgroup.procs").write_text(str(pid))

    async def _await_worker(self, *, other_than: frozenset[int], child: process.Process | None = None) -> None:
        """haproxy tells nobody when a start or reload is done, so its master is asked until a new worker serves."""
        for _ in range(int(START_SECONDS / _LOOK_SECONDS)):
            if await self._workers() - other_than:
                return
            if child is not None and child.code is not None:
                raise ProxyError(f"haproxy does not start: {_last_words(self._log())}")
            await asyncio.sleep(_LOOK_SECONDS)
        raise ProxyError(f"haproxy does not take its configuration over: {_last_words(self._log())}")

    async def _workers(self) -> frozenset[int]:
        """Of the newest generation; empty while the master does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self.directory / "master.sock")
                with contextlib.closing(writer):
                    writer.write(b"show proc\n")
                    text = (await reader.readuntil(b"# programs")).decode(errors="replace")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return frozenset()
        current = text.partition("# workers")[2].partition("# old workers")[0]
        return frozenset(int(pid) for pid in re.findall(r"^(\d+)\s+worker\s", current, re.MULTILINE))

    def _log(self) -> str:
        try:
            return (self.directory / "log").read_text(errors="replace")
        except OSError:
            return ""


def _last_words(output: str) -> str:
    alerts = [line for line in output.splitlines() if "[ALERT]" in line]
    told = [re.sub(r"^\[ALERT\]\s+\(\d+\) : (config : )?", "", line) for line in alerts]
    return (told or output.splitlines() or ["it says nothing"])[0].strip()


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
