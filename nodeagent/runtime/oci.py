"""The real `facilities.Runtime`: an OCI runtime (crun, runc) under conmon.

    create  bundle, pod cgroup, conmon, which runs ``<runtime> create``
    start   ``<runtime> start``
    exits   conmon's exit file, told by inotify; conmon's own end, told by its pidfd, is the second witness
    delete  kill what is left, ``<runtime> delete``, cgroup, bundle

Everything that another agent needs to take over is in the run directory: ``containers/<id>/`` (`record`, `conmon`),
``exits/<id>``, ``runtime/`` (the OCI runtime's own state).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import json
import logging
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from nodeagent import kernel, tasks
from nodeagent.errors import CreateError, NotRunning
from nodeagent.facilities import ContainerPlan, ExecSession, Exit, Running
from nodeagent.runtime import cgroups, conmon, execution, messages, preparation, process, record
from nodeagent.runtime.filters import Filters
from nodeagent.runtime.record import Record
from nodeagent.settings import Settings
from schema.base import Wire

log = logging.getLogger(__name__)

END_PATIENCE_SECONDS = 5.0
_LOOKS = 50
"""How long a killed container, or the conmon of an ended one, may take to vanish."""
_KILLED = 128 + signal.SIGKILL


class OciRuntime:
    """Call `start_watching` once, in the event loop, before anything else; `close` at the end."""

    def __init__(self, settings: Settings, *, hierarchy: cgroups.Hierarchy | None = None) -> None:
        run = settings.run_dir.absolute()
        self._bundles = run / "containers"
        self._exit_directory = run / "exits"
        self._exec_directory = run / "exec"
        self._runtime = process.executable(settings.runtime)
        self._global_args = ["--root", str(run / "runtime")]
        self._conmon_cgroup = f"/{settings.cgroup_parent}/conmon"
        preparation.prepare(run)
        self._hierarchy = hierarchy or cgroups.detect()
        self._filters = Filters(run / "runtime") if Path(self._runtime).name == "crun" else None
        self._records: dict[str, Record] = {}
        self._exits: asyncio.Queue[Exit] = asyncio.Queue()
        self._inotify = -1
        self._moves: set[asyncio.Future[None]] = set()
        self._counter = itertools.count()

    # --- watching for ends ---------------------------------------------------------------------------------------

    def start_watching(self) -> None:
        if self._inotify >= 0:
            return
        shutil.rmtree(self._exec_directory, ignore_errors=True)  # of sessions that died with an agent
        for directory in (self._bundles, self._exit_directory, self._exec_directory):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._inotify = kernel.inotify(self._exit_directory, kernel.IN_MOVED_TO | kernel.IN_CLOSE_WRITE)
        asyncio.get_running_loop().add_reader(self._inotify, self._exit_files_changed)

    async def close(self) -> None:
        """Stop watching. Containers go on."""
        await asyncio.gather(*self._moves)
        for entry in self._records.values():
            entry.close()
        if self._inotify >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify)
            os.close(self._inotify)
            self._inotify = -1

    def _exit_files_changed(self) -> None:
        try:
            events = kernel.inotify_events(os.read(self._inotify, 65536))
        except BlockingIOError:
            return
        overflow = any(mask & kernel.IN_Q_OVERFLOW for mask, _ in events)
        for name in list(self._records) if overflow else [name for _, name in events]:
            if entry := self._records.get(name):
                self._note_exit_file(entry)

    def _note_exit_file(self, entry: Record) -> bool:
        found = conmon.read_exit(self._exit_directory, entry.container_id)
        if found is None:
            return False
        self._report(entry, code=found[0], finished=found[1])
        return True

    def _conmon_ended(self, entry: Record) -> None:
        """conmon goes after it has written the exit file; without one it was killed, and its container is an orphan."""
        entry.close()
        if entry.exited or self._note_exit_file(entry):
            return
        log.warning("conmon of container %s was killed: killing the container", entry.container_id)
        self._kill_all(entry)
        self._report(entry, code=_KILLED, finished=datetime.now(UTC).timestamp())

    def _kill_all(self, entry: Record) -> None:
        for pid in self._hierarchy.processes(entry.cgroup):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _report(self, entry: Record, *, code: int, finished: float) -> None:
        if entry.exited or not entry.created:
            return
        entry.exited = True
        if entry.shares_processes:
            self._kill_all(entry)
        self._exits.put_nowait(self._exit(entry, code=code, finished=finished))

    def _exit(self, entry: Record, *, code: int, finished: float) -> Exit:
        # The counter of the cgroup is there until `delete`; conmon's file may come after the exit file.
        killed = (entry.bundle / "oom").exists() or self._hierarchy.oom_kills(entry.cgroup) > 0
        return Exit(
            entry.container_id, code, oom_killed=killed and code != 0, finished_at=datetime.fromtimestamp(finished, UTC)
        )

    def _watch(self, entry: Record) -> bool:
        """Watch conmon by pidfd; False when it has gone already."""
        try:
            entry.conmon_pidfd = os.pidfd_open(entry.conmon)
        except (OSError, ValueError):
            return False
        loop = asyncio.get_running_loop()
        loop.add_reader(entry.conmon_pidfd, self._conmon_ended, entry)
        descriptor = entry.conmon_pidfd
        entry.unwatch = functools.partial(loop.remove_reader, descriptor)
        return True

    async def exits(self) -> AsyncIterator[Exit]:
        while True:
            yield await self._exits.get()

    # --- life of a container -------------------------------------------------------------------------------------

    async def create(self, plan: ContainerPlan) -> None:
        known = self._records.get(plan.container_id)
        if known is not None and known.created:
            return
        if plan.bundle.exists():
            await self.delete(plan.container_id)
        entry = record.of_plan(plan)
        self._records[plan.container_id] = entry
        try:
            await tasks.whole(lambda: self._prepare(plan, entry))
            launch = self._launch(plan)
            entry.conmon, entry.pid = await conmon.create(launch)
        except BaseException:
            await self.delete(plan.container_id)
            raise
        entry.created = True
        if self._filters:
            self._filters.learn(plan.spec, plan.container_id)
        if not self._watch(entry):
            self._conmon_ended(entry)
        self._move_away(entry)

    def _prepare(self, plan: ContainerPlan, entry: Record) -> None:
        plan.bundle.mkdir(parents=True, mode=0o700)
        plan.log.parent.mkdir(parents=True, exist_ok=True)
        record.save(entry)
        config = self._filters.annotate(plan.spec) if self._filters else plan.spec
        (plan.bundle / "config.json").write_bytes(orjson.dumps(config))
        try:
            self._hierarchy.create(cgroups.pod_path(plan.cgroup_parent, plan.pod_uid), plan.pod_limits)
        except OSError as error:
            raise CreateError(f"cannot make the pod's cgroup: {error}") from error

    def _launch(self, plan: ContainerPlan) -> conmon.Launch:
        launch_log = ["--log", str(plan.bundle / "runtime.log"), "--log-format", "json"]
        return conmon.Launch(
            container_id=plan.container_id,
            bundle=plan.bundle,
            log=plan.log,
            exit_directory=self._exit_directory,
            runtime=self._runtime,
            runtime_args=[*self._global_args, *launch_log],
            terminal=plan.terminal,
            stdin=plan.stdin,
            stdin_once=plan.stdin_once,
            command=plan.spec["process"]["args"][0],
        )

    def _move_away(self, entry: Record) -> None:
        """Take conmon out of the agent's cgroup, so that what stops or limits the agent there leaves containers alone.

        In a thread and not awaited: a move may wait for a grace period of the kernel's RCU, 10 ms.
        """

        def move() -> None:
            try:
                cgroups.place(self._hierarchy, entry.conmon, self._conmon_cgroup)
            except OSError as error:
                log.debug("conmon of %s stays in the agent's cgroup: %s", entry.container_id, error)

        future = asyncio.get_running_loop().run_in_executor(None, move)
        self._moves.add(future)
        future.add_done_callback(self._moves.discard)

    async def start(self, container_id: str) -> datetime:
        entry = self._known(container_id)
        if (before := entry.started_at) is not None:
            return before
        code, output = await self._run("start", container_id)
        if code != 0:
            raise CreateError(messages.humanise(messages.last_error(output), command=_command(entry)))
        (entry.bundle / record.STARTED).touch()
        return entry.started_at or datetime.now(UTC)

    def process_of(self, container_id: str) -> int | None:
        entry = self._records.get(container_id)
        return None if entry is None or entry.exited or entry.started_at is None else entry.pid

    async def kill(self, container_id: str, signal: str) -> None:
        entry = self._records.get(container_id)
        if entry is None or entry.exited:
            return
        code, output = await self._run("kill", container_id, signal)
        if code != 0 and not entry.exited:
            log.warning("kill %s %s: %s", container_id, signal, messages.last_error(output))

    async def delete(self, container_id: str) -> None:
        bundle = self._bundles / container_id
        entry = self._records.get(container_id) or record.load(bundle)
        if entry is not None:
            record.read_pids(entry)  # whose making was interrupted knows none yet
            entry.exited = True  # whoever deletes does not wait to hear of the end
            # Killed by us, it is gone in 2 ms; the runtime would look again only after ten.
            self._kill_all(entry)
            await self._await_conmon(entry)
            await self._delete_from_runtime(entry)
            entry.close()
            await self._remove_cgroup(entry)
            bundle = entry.bundle
        self._records.pop(container_id, None)
        (self._exit_directory / container_id).unlink(missing_ok=True)
        await asyncio.to_thread(shutil.rmtree, bundle, ignore_errors=True)
        if entry is not None and not any(other.pod_uid == entry.pod_uid for other in self._records.values()):
            self._hierarchy.remove_if_empty(str(Path(entry.cgroup).parent))

    async def _delete_from_runtime(self, entry: Record) -> None:
        code, output = await self._run("delete", "--force", entry.container_id)
        if code != 0 and "does not exist" not in output:
            log.warning("delete %s: %s", entry.container_id, messages.last_error(output))

    async def _await_conmon(self, entry: Record) -> None:
        """conmon ends once its container has; one that does not is killed: it must not write into a removed bundle."""
        if entry.conmon_pidfd < 0 and not (entry.conmon and _is_conmon(entry) and self._watch(entry)):
            return
        if entry.unwatch is not None:
            entry.unwatch()
            entry.unwatch = None
        for _ in range(1 if entry.created else _LOOKS):
            try:
                async with asyncio.timeout(END_PATIENCE_SECONDS / (1 if entry.created else _LOOKS)):
                    await process.readable(entry.conmon_pidfd)
                return
            except TimeoutError:
                self._kill_all(entry)  # whose making was interrupted may have got its process only now
        with contextlib.suppress(ProcessLookupError):
            for child in _children(entry.conmon):  # a runtime in the middle of creating
                os.kill(child, signal.SIGKILL)
            signal.pidfd_send_signal(entry.conmon_pidfd, signal.SIGKILL)

    async def _remove_cgroup(self, entry: Record) -> None:
        if self._hierarchy.remove_if_empty(entry.cgroup):
            return
        self._kill_all(entry)
        try:
            await asyncio.to_thread(self._hierarchy.remove, entry.cgroup)
        except cgroups.CgroupError as error:
            log.warning("%s", error)

    # --- taking over ---------------------------------------------------------------------------------------------

    async def adopt(self) -> tuple[Sequence[Running], Sequence[Exit]]:
        self.start_watching()
        running: list[Running] = []
        exits: list[Exit] = []
        for bundle in sorted(self._bundles.iterdir()):
            if bundle.name in self._records:
                continue
            entry = record.load(bundle)
            if entry is None or entry.started_at is None:
                await self.delete(bundle.name)  # half made, or made and not started: it will be made anew
                continue
            self._records[entry.container_id] = entry
            entry.created = True
            if (ended := self._adopt_one(entry)) is not None:
                exits.append(ended)
            else:
                running.append(_running(entry))
        return running, exits

    def _adopt_one(self, entry: Record) -> Exit | None:
        """The end of a container that is over; None for one that runs, which is watched from now on."""
        # Watch first, look second: an end in between is seen by one of both.
        watched = _is_conmon(entry) and self._watch(entry)
        found = conmon.read_exit(self._exit_directory, entry.container_id)
        if found is None and watched:
            self._move_away(entry)
            return None
        if found is None:
            self._conmon_ended(entry)
            return self._exits.get_nowait()
        entry.exited = True
        return self._exit(entry, code=found[0], finished=found[1])

    # --- streams and the rest ------------------------------------------------------------------------------------

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        environment: Sequence[str] = (),
    ) -> ExecSession:
        entry = self._running(container_id)
        return await execution.start(
            entry,
            command,
            runtime=[self._runtime, *self._global_args],
            directory=self._exec_directory / f"{os.getpid()}-{next(self._counter)}",
            terminal=tty,
            stdin=stdin,
            environment=environment,
        )

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> ExecSession:
        entry = self._running(container_id)
        return await execution.attach(entry, stdin=stdin and entry.stdin)

    async def rotate_log(self, container_id: str) -> None:
        await conmon.reopen_log(self._running(container_id).bundle)

    async def update(self, container_id: str, resources: Wire) -> None:
        self._running(container_id)
        code, output = await self._run(
            "update", "--resources", "-", container_id, input_=json.dumps(resources).encode()
        )
        if code != 0:
            raise CreateError(f"cannot change the limits: {messages.humanise(messages.last_error(output))}")

    def _known(self, container_id: str) -> Record:
        entry = self._records.get(container_id)
        if entry is None:
            raise NotRunning(f"container {container_id} is not on this node")
        return entry

    def _running(self, container_id: str) -> Record:
        entry = self._known(container_id)
        if entry.exited or entry.started_at is None:
            raise NotRunning(f"container {entry.name} is not running")
        return entry

    async def _run(self, *args: str, input_: bytes = b"") -> tuple[int, str]:
        return await process.run([self._runtime, *self._global_args, *args], input_=input_)


def _running(entry: Record) -> Running:
    started = entry.started_at
    assert started is not None  # noqa: S101
    return Running(entry.container_id, entry.pod_uid, entry.name, entry.attempt, entry.pid, started)


def _command(entry: Record) -> str:
    with contextlib.suppress(OSError, ValueError, LookupError):
        return str(json.loads((entry.bundle / "config.json").read_text())["process"]["args"][0])
    return ""


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _is_conmon(entry: Record) -> bool:
    """Whether the process id in the bundle is still this container's conmon, and not a later process of that number."""
    try:
        arguments = Path(f"/proc/{entry.conmon}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return entry.container_id.encode() in arguments
