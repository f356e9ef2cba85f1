"""What the agent needs of its host, as Protocols: the pod workers know these and nothing below them.

Each has a real implementation (`images`, `network`, `runtime`, `volumes`) and a fake one (`runtime.fake`), which makes
the hollow agent. Every method is idempotent: called again after a crash at any line, it finishes what was begun or
finds it done. Every method raises the errors of `nodeagent.errors`, whose text a user may read in a pod's status.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the types of pods take a third of a second, which a builder does not need
    from schema.base import Wire
    from schema.core.container import Container
    from schema.core.pod import Pod

DEFAULT_DOMAIN = "cluster.local"
"""Of the cluster's names, where the control plane says nothing else."""


@dataclass(frozen=True)
class Credentials:
    """For one registry host. Never logged."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class ImageConfig:
    """What an image says about how to run it (OCI image configuration, ``config``)."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Sequence[str] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    exposed_ports: Sequence[str] = ()
    volumes: Sequence[str] = ()


@dataclass(frozen=True)
class Image:
    """An image that is present on this node, unpacked."""

    reference: str
    """As asked for, normalised: ``docker.io/library/redis:latest``."""
    image_id: str
    """Digest of its config, ``sha256:…``."""
    digest: str
    """Digest it was resolved to (index or manifest), ``sha256:…``; empty for a loaded image without one."""
    config: ImageConfig
    layers: Sequence[str]
    """Diff ids, lowest first."""
    size_bytes: int


@dataclass(frozen=True)
class Progress:
    """How far a pull is. Totals are 0 until the manifest is known."""

    reference: str
    layers_done: int
    layers_total: int
    bytes_done: int
    bytes_total: int


class Images(Protocol):
    async def find(self, reference: str) -> Image | None:
        """The image if it is here, without asking any registry."""

    async def pull(
        self,
        reference: str,
        *,
        credentials: Mapping[str, Credentials],
        progress: Callable[[Progress], None] | None = None,
    ) -> Image:
        """Fetch and unpack what is missing. Concurrent pulls of one image or layer are one. ``credentials`` by host."""

    async def verify(self, image: Image, keys: str, *, credentials: Mapping[str, Credentials]) -> None:
        """Raises `ImageError` unless one of the public ``keys`` (PEM) has signed the image."""

    async def mount(self, image: Image, container_id: str) -> Path:
        """A fresh or already mounted copy-on-write root for a container; the path of its merged directory."""

    async def unmount(self, container_id: str) -> None:
        """Unmount the root and delete what the container wrote."""

    async def collect(self, in_use: set[str]) -> None:
        """Drop roots of containers not in ``in_use`` (container ids) and half-done downloads and unpackings."""


@dataclass(frozen=True)
class Mount:
    """One mount into a container. ``read_only`` makes it recursively so."""

    source: Path
    target: str
    read_only: bool = False
    propagation: str = "rprivate"


@dataclass(frozen=True)
class Sandbox:
    """The pinned namespaces that the containers of a pod share. A path is None where the host's own is used."""

    pod_uid: str
    network: Path | None
    ipc: Path | None
    uts: Path | None
    addresses: Sequence[str]
    """The pod's IP addresses; the host's for hostNetwork."""
    mounts: Sequence[Mount] = ()
    """What every container of the pod gets: /etc/hosts, /etc/resolv.conf, /etc/hostname, /dev/shm."""
    processes: Path | None = None
    """The process namespace that they share; None where each has one of its own, or sees the host's."""


class Network(Protocol):
    async def start(self, *, pod_cidrs: Sequence[str], cluster_cidrs: Sequence[str]) -> None:
        """Bridge, addresses, source NAT. Raises `HostConflict` where a range is already somebody's on this host."""

    async def create(self, pod: Pod, *, hostname: str, domain: str = DEFAULT_DOMAIN) -> Sandbox:
        """Namespaces, interface, address and published ports of a pod, and its files of names in the cluster's ``domain``."""

    async def delete(self, pod_uid: str) -> None: ...

    async def collect(self, in_use: set[str]) -> None:
        """Remove whatever belongs to pods not in ``in_use`` (pod uids)."""


class Volumes(Protocol):
    async def prepare(
        self,
        pod: Pod,
        *,
        config_maps: Mapping[str, Wire],
        secrets: Mapping[str, Wire],
        volumes: Mapping[str, Wire] = MappingProxyType({}),
    ) -> Mapping[str, Path]:
        """Make or update the pod's volumes: volume name to the host's path. ``volumes`` are the PersistentVolumes by the
        name of their claim. Raises `VolumeError` with the sentence."""

    async def mounts(
        self, pod: Pod, container: Container, paths: Mapping[str, Path], *, environment: Mapping[str, str]
    ) -> Sequence[Mount]:
        """A container's volumeMounts, with subPath resolved so that no symbolic link leads out of the volume.

        ``paths`` is what `prepare` returned; ``environment`` expands subPathExpr.
        """

    async def delete(self, pod_uid: str) -> None: ...

    async def collect(self, in_use: set[str]) -> None: ...

    async def remove(self, volume: str) -> None:
        """Delete the data of a PersistentVolume of class local. Nobody uses it any more."""


@dataclass(frozen=True)
class ContainerPlan:
    """All that is decided about one container before it is created."""

    container_id: str
    """Unique for each attempt: ``<pod uid>-<container>-<attempt>``, shortened where the kernel needs it."""
    pod_uid: str
    name: str
    attempt: int
    bundle: Path
    """Directory for config.json and conmon's files, below the agent's run directory or home."""
    log: Path
    spec: Wire
    """The OCI runtime configuration, made by `runtime.spec`."""
    cgroup_parent: str
    pod_limits: Wire = field(default_factory=dict)
    """OCI ``linux.resources`` of the cgroup that holds the pod's containers together (`runtime.resources.of_pod`)."""
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    """Standard input ends with the first attach."""


@dataclass(frozen=True)
class Exit:
    container_id: str
    code: int
    """128 + signal where a signal ended it."""
    oom_killed: bool
    finished_at: datetime


@dataclass(frozen=True)
class Running:
    """A container that the runtime knows, found when the agent starts."""

    container_id: str
    pod_uid: str
    name: str
    attempt: int
    pid: int
    started_at: datetime


class ExecSession(Protocol):
    """A process started inside a container; its streams are the caller's to pump."""

    async def read(self) -> tuple[int, bytes] | None:
        """Next output: (1 for stdout or 2 for stderr, bytes); None at the end of both."""

    async def write(self, data: bytes) -> None: ...

    async def close_stdin(self) -> None: ...

    async def resize(self, *, width: int, height: int) -> None: ...

    async def wait(self) -> int:
        """Exit code, 128 + signal where a signal ended it. For attach: 0 when the container ended or we detached."""

    async def close(self) -> None:
        """Give it up: an exec'ed process is killed; an attached container is left alone."""


class Runtime(Protocol):
    async def create(self, plan: ContainerPlan) -> None:
        """Container made, its process not yet started. Raises `CreateError` (no such command, bad mount, …)."""

    async def start(self, container_id: str) -> datetime: ...

    def process_of(self, container_id: str) -> int | None:
        """The host's number of a running container's first process; None when it does not run."""

    async def kill(self, container_id: str, signal: str) -> None:
        """Signal the main process (``SIGTERM``); nothing happens when it has already gone."""

    async def delete(self, container_id: str) -> None:
        """Remove a stopped container, or kill and remove a running one: no process, cgroup or bundle is left."""

    async def adopt(self) -> tuple[Sequence[Running], Sequence[Exit]]:
        """What still runs of before, and what ended while nobody looked."""

    def exits(self) -> AsyncIterator[Exit]:
        """Ends of containers as they happen, each once. Learnt by notification, not by polling."""

    async def exec(
        self,
        container_id: str,
        command: Sequence[str],
        *,
        tty: bool,
        stdin: bool,
        environment: Sequence[str] = (),
    ) -> ExecSession: ...

    async def attach(self, container_id: str, *, tty: bool, stdin: bool) -> ExecSession: ...

    async def rotate_log(self, container_id: str) -> None:
        """Have the writer of the container's log reopen its path, after the file was renamed away."""

    async def update(self, container_id: str, resources: Wire) -> None:
        """Change the limits of a running container (OCI ``linux.resources``)."""
