"""What the actions of `lifecycle` do to the host. Each may be interrupted anywhere and run again.

A step puts what came of it into the record's state. What a user can mend becomes a `Problem` or a terminated container;
anything else is raised, and the worker is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from nodeagent.errors import (
    AgentError,
    ConfigError,
    CreateError,
    HostConflict,
    ImageError,
    ImagePullError,
    NodePressure,
    VolumeError,
)
from nodeagent.facilities import ContainerPlan, Credentials, Exit, Image, Mount, Sandbox
from nodeagent.pods import (
    command,
    credentials,
    environment,
    identity,
    lifecycle,
    messages,
    processes,
    pulls,
    restart,
    transitions,
)
from nodeagent.pods.context import Context
from nodeagent.pods.record import Record
from nodeagent.pods.state import Phase, Retry
from nodeagent.tasks import Tasks
from nodeagent.volumes import claims
from schema.core.container import Container, EphemeralContainer
from schema.session import EventReport

log = logging.getLogger(__name__)

STEP_SECONDS = 120.0
"""The longest that the host may take over one step."""
NETWORK_SECONDS = 5.0
"""How long a pod waits without complaint for the node's network, which comes up at the same time as the first pods."""
DEFAULT_TERMINATION_PATH = "/dev/termination-log"


class Steps:
    def __init__(self, record: Record, context: Context, tasks: Tasks) -> None:
        self._record = record
        self._context = context
        self._tasks = tasks

    async def perform(self, action: lifecycle.Action) -> None:
        async with asyncio.timeout(STEP_SECONDS + lifecycle.DEFAULT_GRACE_SECONDS):
            await self._step(action)

    def _step(self, action: lifecycle.Action) -> Coroutine[Any, Any, None]:
        match action:
            case lifecycle.SetUp():
                return self.set_up()
            case lifecycle.FetchImage(name):
                return self.fetch_image(name)
            case lifecycle.Start(names):
                return self.start(names)
            case lifecycle.Again(name):
                return self.again(name)
            case lifecycle.Remove(name):
                return self.remove(name)
            case lifecycle.Signal():
                return self.signal(action)
            case lifecycle.Term():
                return self.term(action)
            case lifecycle.Kill(name):
                return self.kill(name)
            case lifecycle.Force(name):
                return self.force(name)
            case lifecycle.BeginStop():
                return self.begin_stop(action)
            case lifecycle.Finish(phase):
                return self.finish(phase)
            case lifecycle.Release(entirely):
                return self.release(entirely=entirely)

    # The pod

    async def set_up(self) -> None:
        """Sandbox and volumes, side by side."""
        record = self._record
        try:
            self._refuse_under_pressure()
            sandbox, volumes = await _both(self._sandbox(), self._volumes())
        except (AgentError, OSError) as error:
            self._setup_failed(error)
            return
        record.sandbox, record.volumes = sandbox, volumes
        addresses = self._context.addresses.addresses if record.pod.spec.host_network else sandbox.addresses
        record.state = transitions.set_up(record.state, addresses)

    def _refuse_under_pressure(self) -> None:
        started = any(known.container_id for known in self._record.state.containers.values())
        if not started and (why := self._context.pressure()):
            raise NodePressure(why)

    async def _sandbox(self) -> Sandbox:
        pod, context = self._record.pod, self._context
        if not pod.spec.host_network:
            await self._network_is_up()
        hostname = command.hostname(pod, context.settings.node_name)
        return await context.host.network.create(pod, hostname=hostname, domain=context.domain())

    async def _network_is_up(self) -> None:
        context = self._context
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NETWORK_SECONDS):
                await context.network_settled.wait()
        if context.network_problem:
            raise HostConflict(context.network_problem)

    async def _volumes(self) -> dict[str, Path]:
        record, objects = self._record, self._context.objects
        bound = objects.volumes_of(record.namespace)
        paths = await self._context.host.volumes.prepare(
            record.pod,
            config_maps=objects.config_maps_of(record.namespace),
            secrets=objects.secrets_of(record.namespace),
            volumes=bound,
        )
        for report in claims.made(record.pod, bound, paths):
            self._context.reports.volume(report)
        return dict(paths)

    def _setup_failed(self, error: AgentError | OSError) -> None:
        record, message = self._record, str(error)
        if record.state.problem is None or record.state.problem.message != message:
            self.event(_event_reason(error), message, severity="Warning")
        reason = error.reason if isinstance(error, AgentError) else "FailedCreatePodSandBox"
        record.state = transitions.setup_problem(record.state, reason=reason, message=message, now=self._now())

    async def refresh_volumes(self) -> None:
        """Bring the changed ConfigMaps and Secrets into the running pod's volumes."""
        try:
            self._record.volumes = await self._volumes()
        except (VolumeError, OSError) as error:
            self.event("FailedMount", str(error), severity="Warning")

    async def begin_stop(self, action: lifecycle.BeginStop) -> None:
        record = self._record
        self.event(action.reason, action.message)
        record.state = transitions.stop(
            record.state,
            grace_seconds=lifecycle.spec_grace_seconds(record.pod),
            now=self._now(),
            reason=action.reason,
            message=action.message,
        )

    async def finish(self, phase: str) -> None:
        self._record.state = transitions.finished(self._record.state, phase)

    async def release(self, *, entirely: bool) -> None:
        """Containers first, for they use the rest."""
        record, host = self._record, self._context.host
        await asyncio.gather(
            *(self._remove(name) for name in record.names()), processes.release(record.pod, self._context)
        )
        await asyncio.gather(host.network.delete(record.uid), host.volumes.delete(record.uid))
        if entirely:
            await asyncio.to_thread(messages.remove_all, self._context.settings.home, record.uid)
        record.sandbox, record.volumes = None, {}
        record.state = transitions.released(record.state, entirely=entirely)

    # Images

    async def fetch_image(self, name: str) -> None:
        """Only looks; a pull goes on beside the worker, so that the pod can be deleted meanwhile."""
        container = self._record.container(name)
        policy = command.pull_policy(container)
        try:
            found = None if policy == "Always" else await self._context.host.images.find(container.image)
            if found is None and policy == "Never":
                raise pulls.never(container.image)
            if found is None and (why := self._context.pressure()):
                raise ImagePullError(f"not pulled while {why}")
        except ImageError as error:
            self.image_failed(name, error)
            return
        if found is not None and not self._keys:
            self._present(name, found)
            return
        self._record.state = transitions.pulling(self._record.state, name)
        self._tasks.spawn(
            f"pull {container.image} for {identity.full_name(self._record.pod)}", self._bring(name, found)
        )

    @property
    def _keys(self) -> str:
        return self._context.signature_keys(self._record.namespace)

    def _present(self, name: str, image: Image) -> None:
        reference = self._record.container(name).image
        self.event("Pulled", f'Container image "{reference}" already present on machine', name)
        self.image_found(name, image)

    async def _bring(self, name: str, found: Image | None) -> None:
        """Pull the image, unless it was ``found`` here, and have its signature checked where the namespace wants that."""
        record = self._record
        logins = credentials.for_pod(record.pod, self._context.objects.secrets_of(record.namespace))
        try:
            image = found or await self._pull(name, logins)
            if self._keys:
                await self._context.host.images.verify(image, self._keys, credentials=logins)
        except ImageError as error:
            self.image_failed(name, error)
        except OSError as error:  # a full disk, most likely
            self.image_failed(name, ImageError(str(error)))
        else:
            if found is not None:
                self._present(name, found)
            else:
                self.image_found(name, image)
        finally:
            if name in record.state.pulling:  # it fell over: the worker must not wait for it for ever
                record.state = transitions.not_pulling(record.state, name)
            record.wake.set()

    async def _pull(self, name: str, logins: Mapping[str, Credentials]) -> Image:
        reference = self._record.container(name).image
        self.event("Pulling", f'Pulling image "{reference}"', name)
        began = asyncio.get_running_loop().time()
        telling = pulls.Telling(lambda text, loud: self._pull_progress(name, text, loud=loud))
        image = await self._context.host.images.pull(reference, credentials=logins, progress=telling)
        seconds = asyncio.get_running_loop().time() - began
        self.event("Pulled", pulls.pulled(reference, image, seconds), name)
        return image

    def _pull_progress(self, name: str, text: str, *, loud: bool) -> None:
        self._record.state = transitions.pull_progress(self._record.state, name, text)
        if loud:
            self.event("Pulling", text, name)
        self._record.wake.set()

    def image_found(self, name: str, image: Image) -> None:
        self._record.images[name] = image
        self._record.state = transitions.image_found(self._record.state, name)

    def image_failed(self, name: str, error: ImageError) -> None:
        record, message = self._record, str(error)
        image = record.container(name).image
        self.event("Failed", f'Failed to pull image "{image}": {message}', name, severity="Warning")
        self.event("Failed", f"Error: {error.reason}", name, severity="Warning")
        record.state = transitions.container_problem(
            record.state, name, Retry.IMAGE, reason=error.reason, message=message, now=self._now()
        )

    # Containers

    async def start(self, names: Sequence[str]) -> None:
        """Made side by side, started in the order of the pod."""
        try:
            await self._hold_processes()
        except (AgentError, OSError) as error:
            for name in names:
                self._config_failed(name, error)
            return
        made = await asyncio.gather(*(self._create(name) for name in names))
        for name, is_made in zip(names, made, strict=True):
            if is_made:
                await self._start(name)

    async def _hold_processes(self) -> None:
        record = self._record
        assert record.sandbox is not None  # noqa: S101 - lifecycle starts nothing before set_up
        held = await processes.hold(record.pod, record.sandbox, self._context)
        record.sandbox = replace(record.sandbox, processes=held)

    async def _create(self, name: str) -> bool:
        try:
            async with self._context.creations:
                plan = await self._plan(name)
                await self._context.host.runtime.create(plan)
        except CreateError as error:
            self._cannot_run(name, error)
            return False
        except (AgentError, OSError) as error:
            self._config_failed(name, error)
            return False
        self.event("Created", f"Created container: {name}", name)
        return True

    async def _start(self, name: str) -> None:
        record = self._record
        try:
            started_at = await self._context.host.runtime.start(record.state.container(name).container_id)
        except CreateError as error:
            self._cannot_run(name, error)
            return
        record.state = transitions.running(record.state, name, started_at, record.container(name))
        self.event("Started", f"Started container {name}", name)

    async def _plan(self, name: str) -> ContainerPlan:
        record, settings = self._record, self._context.settings
        container, image = record.container(name), record.images[name]
        attempt = record.state.container(name).attempt
        container_id = identity.container_id(record.uid, name, attempt)
        record.state = transitions.creating(
            record.state,
            name,
            container_id=container_id,
            image=container.image,
            image_id=pulls.image_id(image),
            stop_signal=command.stop_signal(image.config),
        )
        variables = environment.resolve(container, self._sources())
        root, _ = await _both(
            self._context.host.images.mount(image, container_id),
            asyncio.to_thread(messages.prepare_files, settings.home, record.uid, name, attempt),
        )
        mounts = [*await self._mounts(container, variables), self._termination_mount(container, attempt)]
        return await asyncio.to_thread(
            self._context.host.plan,
            record.pod,
            container,
            container_id=container_id,
            attempt=attempt,
            bundle=identity.bundle_dir(settings.run_dir, container_id),
            log=identity.log_path(settings.home, record.uid, name, attempt),
            root=root,
            image=image.config,
            args=command.arguments(container, image.config, variables),
            environment=environment.merge(image.config.environment, variables),
            hostname=command.hostname(record.pod, settings.node_name),
            sandbox=self._sandbox_of(container),
            mounts=mounts,
            cgroup_parent=settings.cgroup_parent,
            pids_limit=settings.pids_limit,
            seccomp_directory=settings.home / "seccomp",
        )

    def _sandbox_of(self, container: Container) -> Sandbox:
        """One that debugs another sees its processes."""
        record = self._record
        assert record.sandbox is not None  # noqa: S101 - lifecycle starts nothing before set_up
        target = container.target_container_name if isinstance(container, EphemeralContainer) else ""
        if not target:
            return record.sandbox
        process = self._context.host.runtime.process_of(record.state.container(target).container_id)
        if process is None:
            raise ConfigError(f"targetContainerName: container {target} is not running")
        return replace(record.sandbox, processes=processes.namespace(process))

    async def _mounts(self, container: Container, variables: dict[str, str]) -> Sequence[Mount]:
        if not container.volume_mounts:
            return ()
        record = self._record
        return await self._context.host.volumes.mounts(record.pod, container, record.volumes, environment=variables)

    def _termination_mount(self, container: Container, attempt: int) -> Mount:
        source = identity.termination_path(self._context.settings.home, self._record.uid, container.name, attempt)
        return Mount(source, container.termination_message_path or DEFAULT_TERMINATION_PATH)

    def _sources(self) -> environment.Sources:
        record, context = self._record, self._context
        return environment.Sources(
            pod=record.pod,
            node_name=context.settings.node_name,
            host_addresses=context.addresses.addresses,
            pod_addresses=record.state.addresses,
            config_maps=context.objects.config_maps_of(record.namespace),
            secrets=context.objects.secrets_of(record.namespace),
            allocatable=context.allocatable,
            services=context.services(),
        )

    def _cannot_run(self, name: str, error: CreateError) -> None:
        self.event("Failed", f"Error: {error}", name, severity="Warning")
        self._record.state = transitions.cannot_run(self._record.state, name, str(error), self._now())
        self._tell_backoff(name)

    def _config_failed(self, name: str, error: AgentError | OSError) -> None:
        record, message = self._record, str(error)
        reason = ConfigError.reason if isinstance(error, ConfigError) else CreateError.reason
        before = record.state.container(name).problem
        if before is None or before.message != message:
            self.event("Failed", f"Error: {message}", name, severity="Warning")
        record.state = transitions.container_problem(
            record.state, name, Retry.CONFIG, reason=reason, message=message, now=self._now()
        )

    async def again(self, name: str) -> None:
        self._record.images.pop(name, None)
        self._record.state = transitions.again(self._record.state, name)

    async def remove(self, name: str) -> None:
        await self._remove(name)
        self._record.state = transitions.removed(self._record.state, name)

    async def _remove(self, name: str) -> None:
        known, host = self._record.state.container(name), self._context.host
        if known.removed or not known.container_id:
            return
        await host.runtime.delete(known.container_id)
        await host.images.unmount(known.container_id)

    async def signal(self, action: lifecycle.Signal) -> None:
        """The stop signal, or first the preStop hook, which `hooks` runs: `lifecycle.Term` follows it."""
        record, name = self._record, action.name
        known, hooked = record.state.container(name), _has_pre_stop(record.container(name))
        patient = action.deadline > self._now()
        if known.stopping is None:
            self.event("Killing", action.why or f"Stopping container {name}", name)
            if patient and not hooked:
                await self._send_stop_signal(name)
        record.state = transitions.signalled(
            record.state, name, action.deadline, asked=action.asked, pre_stop=patient and hooked
        )

    async def term(self, action: lifecycle.Term) -> None:
        await self._send_stop_signal(action.name)
        self._record.state = transitions.terminated(self._record.state, action.name, action.deadline)

    async def _send_stop_signal(self, name: str) -> None:
        known, life = self._record.state.container(name), self._record.container(name).lifecycle
        own = life.stop_signal if life is not None else None
        await self._context.host.runtime.kill(known.container_id, own or known.stop_signal or "SIGTERM")

    async def kill(self, name: str) -> None:
        await self._context.host.runtime.kill(self._record.state.container(name).container_id, "SIGKILL")
        self._record.state = transitions.killed(self._record.state, name, self._now())

    async def force(self, name: str) -> None:
        await self._context.host.runtime.delete(self._record.state.container(name).container_id)
        self._record.state = transitions.lost(self._record.state, name, self._now())

    # What happened

    async def absorb(self, end: Exit) -> None:
        """The end of a container, as the runtime tells it."""
        record = self._record
        for name in record.names():
            attempt = identity.attempt_of(record.uid, name, end.container_id)
            known = record.state.container(name)
            if attempt is None or attempt < known.attempt:
                continue
            if attempt == known.attempt and known.phase is Phase.TERMINATED:
                return
            await self._ended(name, attempt, end)
            return

    async def _ended(self, name: str, attempt: int, end: Exit) -> None:
        record, container = self._record, self._record.container(name)
        from_log = container.termination_message_policy == "FallbackToLogsOnError" and end.code != 0
        message = await asyncio.to_thread(
            messages.last_words, self._context.settings.home, record.uid, name, attempt, from_log=from_log
        )
        record.state = transitions.exited(
            transitions.at_attempt(record.state, name, attempt, end.container_id),
            name,
            exit_code=end.code,
            reason=restart.exit_reason(end.code, oom_killed=end.oom_killed),
            message=message,
            at=end.finished_at,
        )
        self._tell_backoff(name)

    def _tell_backoff(self, name: str) -> None:
        record = self._record
        known = record.state.container(name)
        if known.crashes > 0 and record.state.stop is None and lifecycle.comes_again(record.pod, record.state, name):
            text = f"Back-off restarting failed container {name} in pod {identity.full_name(record.pod)}"
            self.event("BackOff", text, name, severity="Warning")

    def event(self, reason: str, message: str, name: str = "", *, severity: str = "Normal") -> None:
        record = self._record
        self._context.reports.event(
            EventReport(
                pod_uid=record.uid,
                namespace=record.namespace,
                name=record.name,
                field_path=identity.field_path(record.pod, name) if name else "",
                severity="Warning" if severity == "Warning" else "Normal",
                reason=reason,
                message=message,
                at=self._now(),
            )
        )

    def _now(self) -> datetime:
        return self._context.clock.now()


def _has_pre_stop(container: Container) -> bool:
    return container.lifecycle is not None and container.lifecycle.pre_stop is not None


A = TypeVar("A")
B = TypeVar("B")


async def _both(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Side by side; both are awaited to their end even where one fails, so that no work goes on unwatched."""
    one, other = await asyncio.gather(first, second, return_exceptions=True)
    for result in (one, other):
        if isinstance(result, BaseException):
            raise result
    return one, other  # type: ignore[return-value]


def _event_reason(error: AgentError | OSError) -> str:
    if isinstance(error, VolumeError | NodePressure):
        return error.reason
    return "FailedCreatePodSandBox"
