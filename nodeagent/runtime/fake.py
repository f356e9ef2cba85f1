"""A host without containers: the hollow agent's, and the tests'. Deterministic, and scriptable by environment.

What a container does is said by its command: ``["fake", "exit=3", "after=2.5"]`` ends with code 3 after 2.5 seconds; anything
else runs until it is told to stop. ``ignore-term`` makes it wait for SIGKILL, ``oom`` makes its end an OOM kill, ``refuse`` makes
the runtime refuse it. All state lives in `FakeHost`, so an agent may die and a new one find what the old one left.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nodeagent.errors import CreateError, DiskStaysFull, ImagePullError, NotRunning, VolumeError
from nodeagent.facilities import (
    DEFAULT_DOMAIN,
    ContainerPlan,
    Credentials,
    ExecSession,
    Exit,
    Image,
    ImageConfig,
    Mount,
    Progress,
    Running,
    Sandbox,
)
from nodeagent.pods import identity
from nodeagent.volumes import claims
from schema.base import Wire
from schema.core.container import Container
from schema.core.pod import Pod

FAKE = "fake"


@dataclass
class FakeContainer:
    plan: ContainerPlan
    started_at: datetime | None = None
    exit: Exit | None = None
    timer: asyncio.TimerHandle | None = None
    signals: list[str] = field(default_factory=list)

    def options(self) -> dict[str, str]:
        args: Sequence[str] = self.plan.spec["process"]["args"]
        if not args or args[0] != FAKE:
            return {}
        return {key: value for key, _, value in (arg.partition("=") for arg in args[1:])}


def _no_hook(_: str) -> None:
    return None


@dataclass
class FakeHost:
    """What exists on the pretended host, whoever asks. ``hook`` is called at every operation and may raise."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    hook: Callable[[str], None] = _no_hook
    containers: dict[str, FakeContainer] = field(default_factory=dict)
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    volumes: dict[str, Mapping[str, Path]] = field(default_factory=dict)
    roots: set[str] = field(default_factory=set)
    images: dict[str, Image] = field(default_factory=dict)
    unsigned_images: set[str] = field(default_factory=set)
    broken_images: dict[str, str] = field(default_factory=dict)
    """Reference to the sentence of its pull's failure."""
    full_disk: str = ""
    """What is said when collecting images is not enough."""
    pull_seconds: float = 0.0
    creations: list[str] = field(default_factory=list)
    """Every container that came into being, in order: nothing may be in it twice."""
    starts: list[str] = field(default_factory=list)
    exits: asyncio.Queue[Exit] = field(default_factory=asyncio.Queue)
    cidr: str = "10.244.0.0/24"
    answers: Callable[[str, Sequence[str]], tuple[int, float]] | None = None
    """For container id and command of an exec: its exit code, and the seconds it takes."""

    def add_image(self, reference: str, config: ImageConfig = ImageConfig()) -> Image:  # noqa: B008 - frozen
        digest = "sha256:" + hashlib.sha256(reference.encode()).hexdigest()
        image = Image(reference, digest, digest, config, (digest,), 1_000_000)
        self.images[reference] = image
        return image


class FakeRuntime:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    async def create(self, plan: ContainerPlan) -> None:
        self._host.hook(f"create {plan.container_id}")
        if plan.container_id not in self._host.containers:
            container = FakeContainer(plan)
            if "refuse" in container.options():
                raise CreateError(f'executable "{plan.spec["process"]["args"]}" not found')
            self._host.containers[plan.container_id] = container
            self._host.creations.append(plan.container_id)
        self._host.hook(f"created {plan.container_id}")

    async def start(self, container_id: str) -> datetime:
        self._host.hook(f"start {container_id}")
        container = self._find(container_id)
        if container.started_at is None:
            container.started_at = self._host.now()
            self._host.starts.append(container_id)
            options = container.options()
            if "exit" in options or "oom" in options:
                delay = float(options.get("after") or 0)
                container.timer = asyncio.get_running_loop().call_later(
                    delay, self.end, container_id, int(options.get("exit") or 137), "oom" in options
                )
        self._host.hook(f"started {container_id}")
        return container.started_at

    def _find(self, container_id: str) -> FakeContainer:
        try:
            return self._host.containers[container_id]
        except KeyError:
            raise NotRunning(f"there is no container {container_id}") from None

    def process_of(self, container_id: str) -> int | None:
        container = self._host.containers.get(container_id)
        return None if container is None or container.started_at is None or container.exit is not None else 1

    def end(self, container_id: str, code: int, oom_killed: bool = False) -> None:
        """The container ends now."""
        container = self._host.containers.get(container_id)
        if container is None or container.exit is not None:
            return
        if container.timer is not None:
            container.timer.cancel()
        container.exit = Exit(container_id, code, oom_killed, self._host.now())
        self._host.exits.put_nowait(container.exit)

    async def kill(self, container_id: str, signal: str) -> None:
        self._host.hook(f"kill {container_id} {signal}")
        container = self._host.containers.get(container_id)
        if container is None or container.exit is not None:
            return
        container.signals.append(signal)
        if signal == "SIGKILL":
            self.end(container_id, 137)
        elif "ignore-term" not in container.options():
            self.end(container_id, 143)

    async def delete(self, container_id: str) -> None:
        self._host.hook(f"delete {container_id}")
        container = self._host.containers.pop(container_id, None)
        if container is not None and container.timer is not None:
            container.timer.cancel()

    async def adopt(self) -> tuple[Sequence[Running], Sequence[Exit]]:
        found = self._host.containers.values()
        running = [
            Running(c.plan.container_id, c.plan.pod_uid, c.plan.name, c.plan.attempt, 1, c.started_at)
            for c in found
            if c.started_at is not None and c.exit is None
        ]
        return running, [c.exit for c in found if c.exit is not None]

    async def exits(self) -> AsyncIterator[Exit]:
        while True:
            yield await self._host.exits.get()

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        environment: Sequence[str] = (),
    ) -> ExecSession:
        self._running(container_id)
        if self._host.answers is not None:
            code, seconds = self._host.answers(container_id, command)
            return FakeExec(["exit", str(code)], stdin=stdin, seconds=seconds)
        return FakeExec(command, stdin=stdin)

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> ExecSession:
        self._running(container_id)
        return FakeExec(["cat"], stdin=stdin)

    def _running(self, container_id: str) -> None:
        container = self._find(container_id)
        if container.started_at is None or container.exit is not None:
            raise NotRunning(f"container {container_id} is not running")

    async def rotate_log(self, container_id: str) -> None:
        container = self._host.containers.get(container_id)
        if container is not None:
            container.plan.log.touch()

    async def update(self, container_id: str, resources: Wire) -> None:
        self._find(container_id)


class FakeExec:
    """``["echo", …]`` prints its arguments, ``["exit", n]`` ends with n, ``["cat"]`` sends back what it is given."""

    def __init__(self, command: Sequence[str], *, stdin: bool, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._output: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._code = 0
        self.sizes: list[tuple[int, int]] = []
        self._reads_input = command[0] == "cat" and stdin
        if command[0] == "echo":
            self._output.put_nowait((1, " ".join(command[1:]).encode() + b"\n"))
        elif command[0] == "exit":
            self._output.put_nowait((2, b"leaving\n"))
            self._code = int(command[1])
        if not self._reads_input:
            self._output.put_nowait(None)

    async def read(self) -> tuple[int, bytes] | None:
        return await self._output.get()

    async def write(self, data: bytes) -> None:
        self._output.put_nowait((1, data))

    async def close_stdin(self) -> None:
        self._output.put_nowait(None)

    async def resize(self, *, width: int, height: int) -> None:
        self.sizes.append((width, height))

    async def wait(self) -> int:
        await asyncio.sleep(self._seconds)
        return self._code

    async def close(self) -> None:
        self._output.put_nowait(None)


class FakeNetwork:
    def __init__(self, host: FakeHost) -> None:
        self._host = host
        self._next = 0

    async def start(self, *, pod_cidrs: Sequence[str], cluster_cidrs: Sequence[str]) -> None:
        self._host.hook(f"network {','.join(pod_cidrs)}")
        self._host.cidr = pod_cidrs[0]

    async def create(self, pod: Pod, *, hostname: str, domain: str = DEFAULT_DOMAIN) -> Sandbox:
        self._host.hook(f"sandbox {pod.metadata.uid}")
        found = self._host.sandboxes.get(pod.metadata.uid)
        if found is None:
            found = Sandbox(pod.metadata.uid, None, None, None, (self._address(),))
            self._host.sandboxes[pod.metadata.uid] = found
        return found

    def _address(self) -> str:
        network = ipaddress.ip_network(self._host.cidr)
        taken = {sandbox.addresses[0] for sandbox in self._host.sandboxes.values()}
        while True:
            self._next = self._next % (network.num_addresses - 3) + 1
            address = str(network[self._next + 1])
            if address not in taken:
                return address

    async def delete(self, pod_uid: str) -> None:
        self._host.hook(f"sandbox-delete {pod_uid}")
        self._host.sandboxes.pop(pod_uid, None)

    async def collect(self, in_use: set[str]) -> None:
        for uid in set(self._host.sandboxes) - in_use:
            del self._host.sandboxes[uid]


class FakeVolumes:
    def __init__(self, host: FakeHost) -> None:
        self._host = host

    async def prepare(
        self,
        pod: Pod,
        *,
        config_maps: Mapping[str, Wire],
        secrets: Mapping[str, Wire],
        volumes: Mapping[str, Wire] = MappingProxyType({}),
    ) -> Mapping[str, Path]:
        self._host.hook(f"volumes {pod.metadata.uid}")
        for volume in pod.spec.volumes:
            if claims.claim_name(pod, volume):
                claims.bound(pod, volume, volumes)
            source = volume.config_map
            if source is not None and not source.optional and source.name not in config_maps:
                raise VolumeError(
                    f'MountVolume.SetUp failed for volume "{volume.name}": configmap "{source.name}" not found'
                )
        made = {volume.name: Path("/fake") / pod.metadata.uid / volume.name for volume in pod.spec.volumes}
        self._host.volumes[pod.metadata.uid] = made
        return made

    async def mounts(
        self, pod: Pod, container: Container, paths: Mapping[str, Path], *, environment: Mapping[str, str]
    ) -> Sequence[Mount]:
        return [Mount(paths[mount.name], mount.mount_path, mount.read_only) for mount in container.volume_mounts]

    async def delete(self, pod_uid: str) -> None:
        self._host.hook(f"volumes-delete {pod_uid}")
        self._host.volumes.pop(pod_uid, None)

    async def collect(self, in_use: set[str]) -> None:
        for uid in set(self._host.volumes) - in_use:
            del self._host.volumes[uid]

    async def remove(self, volume: str) -> None:
        self._host.hook(f"volume-remove {volume}")


class FakeImages:
    """Every image can be pulled, except those that are said to be broken."""

    def __init__(self, host: FakeHost) -> None:
        self._host = host

    async def find(self, reference: str) -> Image | None:
        self._host.hook(f"find {reference}")
        return self._host.images.get(reference)

    async def pull(
        self,
        reference: str,
        *,
        credentials: Mapping[str, Credentials],
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        self._host.hook(f"pull {reference}")
        if progress is not None:
            progress(Progress(reference, 0, 1, 0, 1_000_000))
        await asyncio.sleep(self._host.pull_seconds)
        if reference in self._host.broken_images:
            raise ImagePullError(self._host.broken_images[reference])
        return self._host.images.get(reference) or self._host.add_image(reference)

    async def verify(self, image: Image, keys: str, *, credentials: Mapping[str, Credentials]) -> None:
        self._host.hook(f"verify {image.reference}")
        if image.reference in self._host.unsigned_images:
            raise ImagePullError(f"{image.reference} is not signed")

    async def mount(self, image: Image, container_id: str) -> Path:
        self._host.hook(f"mount {container_id}")
        self._host.roots.add(container_id)
        return Path("/fake/roots") / container_id

    async def unmount(self, container_id: str) -> None:
        self._host.hook(f"unmount {container_id}")
        self._host.roots.discard(container_id)

    async def collect(self, in_use: set[str]) -> None:
        self._host.roots &= in_use
        if self._host.full_disk:
            raise DiskStaysFull(self._host.full_disk)


def plan(pod: Pod, container: Container, **decided: Any) -> ContainerPlan:
    """In place of `assemble.plan`, which asks the host."""
    return ContainerPlan(
        container_id=decided["container_id"],
        pod_uid=pod.metadata.uid,
        name=container.name,
        attempt=decided["attempt"],
        bundle=decided["bundle"],
        log=decided["log"],
        spec={"process": {"args": list(decided["args"]), "env": list(decided["environment"])}},
        cgroup_parent=decided["cgroup_parent"],
        terminal=container.tty,
        stdin=container.stdin,
    )


def hold(pod: Pod, sandbox: Sandbox, *, run_dir: Path, cgroup_parent: str, pids_limit: int) -> ContainerPlan:
    """In place of `holder.plan`."""
    container_id = identity.holder_id(pod.metadata.uid or "")
    bundle = identity.bundle_dir(run_dir, container_id)
    spec: Wire = {"process": {"args": ["hold"], "env": []}}
    return ContainerPlan(container_id, pod.metadata.uid or "", "", 0, bundle, bundle / "log", spec, cgroup_parent)
